"""What is compiled for a device is what was written, with the constants in their places."""

import ast
from pathlib import Path

import pytest

from sim.engine.fold import fold
from sim.engine.image import firmware_sources

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
