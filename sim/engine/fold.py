"""Constants folded across modules, so that on a device no public constant costs memory or a look-up.

mpy-cross makes a number of `_NAME = const(…)` inside its module only; a public `NAME = const(…)` stays in the module's
dictionary, its name in the interpreter's table of strings, and both again in every module that imports it. Here each module's
text is rewritten before it is compiled: where a constant of ours is read stands its value, its definition is made private,
and it is imported no more. Lines stay where they are, so that a traceback tells the truth.

Only what is written as `NAME = const(…)` on one module's top level, has an int's value, and stands in capitals is folded.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from .names import Names, renamed


@dataclass(frozen=True)
class _Edit:
    """Text of one line from `start` to `end`, in bytes as `ast` counts them, becomes `text`."""

    line: int
    start: int
    end: int
    text: bytes


def _assigned(node: ast.stmt) -> tuple[str, ast.expr] | None:
    """(name, expression) of `NAME = const(expression)`."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
        return None
    value = node.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const" and value.args):
        return None
    return node.targets[0].id, value.args[0]


def _is_public(name: str) -> bool:
    return name.isupper() and not name.startswith("_")


@cache
def _constants(path: Path) -> dict[str, int]:
    """The public constants that a module of ours offers, its own and those that it imports from others of ours."""
    tree = ast.parse(path.read_bytes())
    known: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (source := module_of(path, node)):
            offered = _constants(source)
            for alias in node.names:
                if alias.name == "*":
                    known.update(offered)
                elif alias.name in offered:
                    known[alias.asname or alias.name] = offered[alias.name]
    for node in tree.body:
        if assigned := _assigned(node):
            value = eval(compile(ast.Expression(assigned[1]), str(path), "eval"), {"__builtins__": {}}, dict(known))
            if type(value) is int:
                known[assigned[0]] = value
    return {name: value for name, value in known.items() if _is_public(name)}


def module_of(path: Path, node: ast.ImportFrom, inner: str = "") -> Path | None:
    """The file of the module that a relative `from … import` names, or of its `inner` module; None when there is none."""
    if not node.level:
        return None
    folder = path.parents[node.level - 1]
    for part in [*(node.module or "").split("."), inner]:
        folder = folder / part if part else folder
    file = folder.with_suffix(".py")
    return file if file.is_file() else None


def _literal(value: int) -> bytes:
    return b"%d" % value if value >= 0 else b"(%d)" % value


def fold(path: Path, names: Names | None = None) -> bytes:
    """The text of a firmware module with every constant of ours in its place, and with its names made short if `names` say so."""
    text = path.read_bytes()
    tree = ast.parse(text)
    own = {assigned[0] for node in tree.body if (assigned := _assigned(node)) and _is_public(assigned[0])}
    imported: dict[str, int] = {}
    modules: dict[str, dict[str, int]] = {}
    edits: list[_Edit] = []
    lines = text.split(b"\n")
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        source = module_of(path, node)
        offered = _constants(source) if source else {}
        gone = {alias.name for alias in node.names if alias.name in offered}
        imported.update({alias.asname or alias.name: offered[alias.name] for alias in node.names if alias.name in gone})
        if any(alias.name == "*" for alias in node.names):
            imported.update(offered)
        elif gone:
            edits += _without(node, gone, lines)
        for alias in node.names:  # `from ..core import record`
            if inner := module_of(path, node, alias.name):
                modules[alias.asname or alias.name] = _constants(inner)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in own:
            edits.append(_Edit(node.lineno, node.col_offset, node.end_col_offset or 0, b"_C_" + node.id.encode()))
        elif isinstance(node, ast.Name) and node.id in imported:
            edits.append(_Edit(node.lineno, node.col_offset, node.end_col_offset or 0, _literal(imported[node.id])))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = modules.get(node.value.id, {}).get(node.attr)
            if value is not None and node.lineno == node.end_lineno:
                edits.append(_Edit(node.lineno, node.col_offset, node.end_col_offset or 0, _literal(value)))
    if names is not None:
        edits += [_Edit(line, start, end, name.encode()) for line, start, end, name in renamed(path, tree, names)]
    lines = _edited(text, edits).split(b"\n")
    for first, last in names.unused.get(path, ()) if names is not None else ():
        lines[first - 1 : last] = [b""] * (last - first + 1)
    return b"\n".join(lines)


@cache
def fold_silicon(path: Path) -> bytes:
    """The text of a module of the silicon with the channels' numbers in their places, and its own private ones as `const`.

    The heap that the silicon takes is the device's, and it is at work in every turn.
    """
    text = path.read_bytes()
    tree = ast.parse(text)
    channels = _channel_numbers(path.with_name("_channels.py"))
    own = _numbers(tree, channels)
    edits: list[_Edit] = []
    settled: set[int] = set()  # lines
    for node in tree.body:
        if isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["_channels"]:
            edits.append(_Edit(node.lineno, node.col_offset, node.end_col_offset or 0, b"pass"))
        elif isinstance(node, ast.Assign) and (name := _name_of(node)) in own and name.startswith("_"):
            settled.add(node.lineno)
            start, end = node.value.col_offset, node.value.end_col_offset or 0
            edits.append(_Edit(node.lineno, start, end, b"const(%d)" % own[name]))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.lineno in settled:
            continue
        if node.value.id == "_channels":
            edits.append(_Edit(node.lineno, node.col_offset, node.end_col_offset or 0, _literal(channels[node.attr])))
    return _edited(text, edits)


@cache
def _channel_numbers(path: Path) -> dict[str, int]:
    return _numbers(ast.parse(path.read_bytes()), {})


def _name_of(node: ast.Assign) -> str:
    target = node.targets[0]
    return target.id if len(node.targets) == 1 and isinstance(target, ast.Name) else ""


def _numbers(tree: ast.Module, channels: dict[str, int]) -> dict[str, int]:
    """The names in capitals that a module binds once, at its top, to a number."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and (name := _name_of(node)) and name.isupper():
            try:
                value = eval(compile(ast.Expression(node.value), "", "eval"), {"_channels": SimpleNamespace(**channels)}, found)
            except NameError:
                continue
            if type(value) is int:
                found[name] = value
    return found


def _edited(text: bytes, edits: Iterable[_Edit]) -> bytes:
    lines = text.split(b"\n")
    for edit in sorted(edits, key=lambda each: (each.line, each.start), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.start] + edit.text + line[edit.end :]
    return b"\n".join(lines)


def _without(node: ast.ImportFrom, gone: set[str], lines: list[bytes]) -> list[_Edit]:
    """Edits that leave an import without some of its names, on its first line, the others of its lines empty."""
    kept = [alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in node.names if alias.name not in gone]
    first, last = node.lineno, node.end_lineno or node.lineno
    stated = f"from {'.' * node.level}{node.module or ''} import {', '.join(kept)}" if kept else "pass"
    edits = [_Edit(first, node.col_offset, len(lines[first - 1]) if last > first else node.end_col_offset or 0, stated.encode())]
    edits += [_Edit(number, 0, len(lines[number - 1]), b"") for number in range(first + 1, last + 1)]
    return edits
