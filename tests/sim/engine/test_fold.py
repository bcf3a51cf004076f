"""What is compiled for a device is what was written, with the constants in their places."""

import ast
import symtable
from pathlib import Path

import pytest

import sim.engine.fold as fold_module
import sim.silicon
from sim.engine.fold import fold, fold_silicon
from sim.engine.image import firmware_sources
from sim.engine.names import survey
from sim.silicon import _channels

SOURCES = {str(place): source for source, place in firmware_sources()}


@pytest.mark.parametrize("place", SOURCES)
def test_a_folded_module_keeps_its_lines_and_its_statements(place: str):
    text, folded = SOURCES[place].read_bytes(), fold(SOURCES[place])
    assert folded.count(b"\n") == text.count(b"\n")
    before, after = ast.parse(text), ast.parse(folded)
    assert [type(node).__name__ for node in before.body if not isinstance(node, ast.ImportFrom)] == [
        type(node).__name__ for node in after.body if not isinstance(node, ast.ImportFrom | ast.Pass)
    ]
    lines = [node.lineno for node in ast.walk(before) if isinstance(node, ast.stmt)]
    assert lines == [node.lineno for node in ast.walk(after) if isinstance(node, ast.stmt)]


def write(folder: Path, **modules: str) -> dict[str, Path]:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return {name: folder / f"{name}.py" for name in modules}


def test_a_constant_stands_wherever_it_is_read(tmp_path: Path):
    paths = write(
        tmp_path,
        codes='from .port import const\nCUT = const(4)\nLOW = const(-CUT - 1)\n_CUT = "text"\nNAMES = {CUT: 1}\n',
        between="from .codes import *\n",
        user="from . import codes\nfrom .between import (\n    LOW as LOWEST,\n    NAMES,\n)\nprint(codes.CUT, LOWEST, NAMES)\n",
        port="def const(x):\n    return x\n",
    )
    assert fold(paths["codes"]).decode() == (
        'from .port import const\n_C_CUT = const(4)\n_C_LOW = const(-_C_CUT - 1)\n_CUT = "text"\nNAMES = {_C_CUT: 1}\n'
    )
    assert fold(paths["user"]).decode() == ("from . import codes\nfrom .between import NAMES\n\n\n\nprint(4, (-5), NAMES)\n")


def test_what_is_no_constant_stays(tmp_path: Path):
    text = "from .port import const\nNAME = 'a'\nTABLE = (1, 2)\n_OWN = const(3)\n\n\ndef f(NAME):\n    return NAME\n"
    paths = write(tmp_path, thing=text, port="def const(x):\n    return x\n")
    assert fold(paths["thing"]).decode() == text


def shortened(tmp_path: Path, **modules: str) -> dict[str, str]:
    paths = write(tmp_path, **modules)
    names = survey(paths.values())
    return {name: fold(path, names).decode() for name, path in paths.items()}


def test_parameters_are_called_by_their_place_unless_a_call_names_them(tmp_path: Path):
    texts = shortened(
        tmp_path,
        a="def f(first, second, third=None):\n    return [first + each for each in second] + [lambda first: first + third]\n",
        b="from .a import f\nprint(f(1, 2, third=3))\n",
    )
    assert texts["a"] == "def f(_0, _1, third=None):\n    return [_0 + each for each in _1] + [lambda _2: _2 + third]\n"


def test_what_a_function_within_catches_keeps_apart_from_its_own(tmp_path: Path):
    text = """
def outer(one, two):
    def inner(three, four=one):
        one = three
        return one + two + four
    return inner(two) + one

outer
"""
    (new,) = shortened(tmp_path, a=text).values()
    here: dict = {}
    exec(new, here)
    assert here["outer"](3, 5) == 5 + 5 + 3 + 3
    assert "one, two" not in new and "three" not in new.replace("one = three", "")


def test_private_names_are_numbered_in_their_module_and_kept_where_a_base_has_them(tmp_path: Path):
    base = """
class Base:
    def __init__(self):
        self._mine = 1
        self._shared = 2
        self._step()

    def _step(self):
        return self._mine
"""
    heir = """
from .base import Base


class Heir(Base):
    def go(self):
        self._own = self._shared
        return self._own

Heir().go()
"""
    other = """
def look(base):
    return base._seen


class C:
    def __init__(self):
        self._seen = self._own = 1

look(C())
"""
    texts = shortened(tmp_path, base=base, heir=heir, other=other)
    assert "self._a0 = 1" in texts["base"] and "self._shared = 2" in texts["base"] and "def _a1(self)" in texts["base"]
    assert "self._b0 = self._shared" in texts["heir"]
    assert "self._seen = self._a0 = 1" in texts["other"]


def test_private_functions_and_tables_are_numbered_where_they_mean_one_thing_and_nobody_else_names_them(tmp_path: Path):
    one = """
_TABLE = (1, 2)
_asked = _TABLE


class _Part:
    _TABLE_OF_ITS_OWN = _asked


def _free(x):
    return _Part, _shadowed, x


def _shadowed(_asked_too):
    _Local = _free(_asked_too)
    return _Local


def run():
    return _free(0), _asked
"""
    two = "from .one import _asked\nfrom . import one\n\n\ndef run(x):\n    return one._shadowed(_asked), x\n\n\nrun(1)\n"
    texts = shortened(tmp_path, one=one, two=two)
    assert "_m1 = (1, 2)\n_asked = _m1" in texts["one"]
    assert "class _m0:\n    _TABLE_OF_ITS_OWN = _asked" in texts["one"]
    assert "def _m2(_0):\n    return _m0, _shadowed, _0" in texts["one"] and "_Local = _m2(_0)" in texts["one"]
    assert "one._shadowed(_asked)" in texts["two"]


SILICON = sorted(
    path for path in Path(str(sim.silicon.__file__)).parent.glob("*.py") if path.name not in ("__init__.py", "boot.py")
)


@pytest.mark.parametrize("path", SILICON, ids=lambda path: path.name)
def test_silicon_has_the_channels_numbers_in_their_places(path: Path):
    text, folded = path.read_bytes(), fold_silicon(path)
    assert b"_channels" not in b"\n".join(line for line in folded.split(b"\n") if b"`" not in line)
    assert folded.count(b"\n") == text.count(b"\n")
    ours = {name: value for name, value in vars(_channels).items() if name.isupper()}
    told: dict[str, object] = {}
    for node in ast.parse(folded).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and "const(" in ast.unparse(node.value):
            told[node.targets[0].id] = ast.literal_eval(ast.unparse(node.value)[len("const(") : -1])
    source = ast.parse(text)
    for node in source.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in told:
            known = {"_channels": _channels, **told}
            assert eval(compile(ast.Expression(node.value), "", "eval"), known) == told[node.targets[0].id]
    assert path.name != "_hw.py" or told["_NEVER"] == ours["NEVER"]


def test_the_shortened_firmware_has_no_name_that_is_not_bound():
    names = survey(SOURCES.values())
    for place, source in SOURCES.items():
        before, after = (
            symtable.symtable(source.read_text(), place, "exec"),
            symtable.symtable(fold(source, names).decode(), place, "exec"),
        )
        assert unbound(after) - constants(source) <= unbound(before), place


def unbound(table: symtable.SymbolTable) -> set[str]:
    """The globals that the functions of a module read and that it does not bind itself."""
    own = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    found = set()
    inside = list(table.get_children())
    while inside:
        inner = inside.pop()
        inside += inner.get_children()
        found |= {symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return found - own


def constants(source: Path) -> set[str]:
    return {f"_C_{name}" for name in fold_module._constants(source)}


def test_what_no_module_of_a_device_asks_for_is_left_out_and_what_that_alone_asked_for(tmp_path: Path):
    text = """
def used():
    return 1

def helper():
    return 2

@print
def for_hosts():
    return helper()

class Thing:
    def asked(self):
        return 3

    def never(self):
        return 4

used(), Thing().asked()
"""
    (new,) = shortened(tmp_path, a=text).values()
    assert [line for line in new.split("\n") if "def " in line] == ["def used():", "    def asked(self):"]
    assert new.count("\n") == text.count("\n") and "@" not in new
