"""Names that nobody looks up from outside, made few and short for a device.

MicroPython keeps each name of a parameter and of an attribute once in a table that lives in the heap: some 25 bytes a name. So
in what a device is given
- functions, classes and methods whose name stands nowhere else are left out: hosts and tests use them;
- parameters are called by their place (`_0`, `_1`, …), unless a call somewhere names them;
- private attributes and methods that are reached by `self` alone are numbered within their module, with another letter where a
  class derives from one of another module; those that both of them use keep their name;
- private functions, classes and tables of a module that nobody else names are numbered within it, too.
Classes, modules and all that is public keep their names; a traceback tells the line in any case.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BINDERS = (*_FUNCTIONS, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Names:
    """What `survey` found out: which parameters keep their names, the new name of each private attribute and of each private
    global of a module, and the functions, classes and methods that nobody on a device asks for."""

    keywords: set[str] = field(default_factory=set)
    attributes: dict[Path, dict[str, str]] = field(default_factory=dict)
    globals: dict[Path, dict[str, str]] = field(default_factory=dict)
    unused: dict[Path, list[tuple[int, int]]] = field(default_factory=dict)  # first and last line


def survey(paths: Iterable[Path]) -> Names:
    """Look through all modules that a device may carry."""
    names = Names()
    trees = {path: ast.parse(path.read_bytes()) for path in paths}
    names.unused = _unused(trees)
    by_self: dict[str, set[Path]] = {}
    fixed: set[str] = set()
    for path, tree in trees.items():
        methods = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                methods.update(id(each) for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            if isinstance(node, ast.JoinedStr):
                raise ValueError(f"{path}: line {node.lineno}: an f-string, whose names cannot be found by their place")
            if isinstance(node, ast.Call):
                names.keywords.update(keyword.arg for keyword in node.keywords if keyword.arg)
            elif isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    by_self.setdefault(node.attr, set()).add(path)
                else:
                    fixed.add(node.attr)
            elif isinstance(node, ast.Name):
                fixed.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and id(node) in methods:
                by_self.setdefault(node.name, set()).add(path)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                fixed.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                fixed.add(node.value)
    bases = {path: _bases(path, trees) for path in trees}
    for path in trees:
        kin = {other for other in trees if other in bases[path] or path in bases[other]} - {path}
        own = [
            name
            for name, where in sorted(by_self.items())
            if path in where and _is_private(name) and name not in fixed and not kin & where
        ]
        letter = "abcdefgh"[len(bases[path])]
        names.attributes[path] = {name: f"_{letter}{number}" for number, name in enumerate(own)}
    asked = {path: _named_elsewhere(tree) for path, tree in trees.items()}
    for path, tree in trees.items():
        others = set().union(*(found for other, found in asked.items() if other != path))
        own = sorted(_private_globals(tree) - others)
        names.globals[path] = {name: f"_m{number}" for number, name in enumerate(own)}
    return names


def _named_elsewhere(tree: ast.Module) -> set[str]:
    """What a module may name of another: by import, as an attribute, in a string."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _private_globals(tree: ast.Module) -> set[str]:
    """Private names that a module binds at its top, and means by them the same everywhere in it."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    other = {keyword.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords}
    other |= _named_elsewhere(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node not in tree.body:
            other.add(node.name)
        if isinstance(node, _BINDERS):
            other |= _bound(node)
        elif isinstance(node, ast.ClassDef):
            other |= {each.id for part in node.body for each in ast.walk(part) if _is_stored(each)}
        elif isinstance(node, ast.Global | ast.Nonlocal):
            other.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            other.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            other.update(alias.asname or alias.name for alias in node.names)
    return {name for name in found - other if _is_private(name)}


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _unused(trees: dict[Path, ast.Module]) -> dict[Path, list[tuple[int, int]]]:
    """Functions and classes of modules, and methods, whose name stands nowhere else: what hosts and tests use of a module."""
    gone: set[int] = set()
    found: dict[Path, list[tuple[int, int]]] = {}
    while True:
        asked = {name for tree in trees.values() for name in _asked(tree, gone)}
        more = []
        for path, tree in trees.items():
            classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
            for node in [*tree.body, *(each for owner in classes if id(owner) not in gone for each in owner.body)]:
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or id(node) in gone:
                    continue
                if node.name not in asked and not node.name.startswith("__"):
                    more.append(node)
                    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                    found.setdefault(path, []).append((first, node.end_lineno or first))
        if not more:
            return found
        gone.update(id(node) for node in more)


def _asked(node: ast.AST, gone: set[int]) -> Iterator[str]:
    """Every name that a module reads, imports, or has in a string, but for those in what is left out."""
    if id(node) in gone:
        return
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.name for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _asked(child, gone)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _bases(path: Path, trees: dict[Path, ast.Module]) -> set[Path]:
    """The modules that have a base of one of a module's classes, and theirs."""
    from .fold import module_of

    nodes = list(ast.walk(trees[path]))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    bases = {base.id for node in classes for base in node.bases if isinstance(base, ast.Name)}
    found: set[Path] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and bases & {alias.asname or alias.name for alias in node.names}:
            source = module_of(path, node)
            if source in trees:
                found |= {source} | _bases(source, trees)
    return found


def renamed(path: Path, tree: ast.Module, names: Names) -> Iterator[tuple[int, int, int, str]]:
    """(line, start, end, new name) of each place in a module where a name changes; columns in bytes, as `ast` counts them."""
    attributes = names.attributes.get(path, {})
    own = names.globals.get(path, {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in own:
            yield node.lineno, node.col_offset, node.end_col_offset or 0, own[node.id]
        if isinstance(node, ast.Attribute) and node.attr in attributes:
            end = node.end_col_offset or 0
            yield node.end_lineno or 0, end - len(node.attr), end, attributes[node.attr]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in attributes:
            yield _of_definition(node, attributes[node.name])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in own:
            yield _of_definition(node, own[node.name])
    yield from _parameters(tree, {}, names.keywords)


def _of_definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, name: str) -> tuple[int, int, int, str]:
    word = {ast.FunctionDef: "def ", ast.AsyncFunctionDef: "async def ", ast.ClassDef: "class "}[type(node)]
    start = node.col_offset + len(word)
    return node.lineno, start, start + len(node.name), name


def _parameters(node: ast.AST, scope: dict[str, str], keywords: set[str]) -> Iterator[tuple[int, int, int, str]]:
    # `scope`: what the parameters of the functions around are called now.
    if isinstance(node, _FUNCTIONS):
        outside = [*node.args.defaults, *[each for each in node.args.kw_defaults if each], *getattr(node, "decorator_list", [])]
        for each in outside:
            yield from _parameters(each, scope, keywords)
        scope = _without(scope, _bound(node))
        arguments = [*node.args.posonlyargs, *node.args.args]
        deep = max((int(new[1:]) + 1 for new in scope.values()), default=0)  # beside what is caught from around
        for number, argument in enumerate(arguments):
            if argument.arg not in keywords and argument.arg != "self":
                scope[argument.arg] = f"_{deep + number}"
                yield argument.lineno, argument.col_offset, argument.col_offset + len(argument.arg), scope[argument.arg]
            if argument.annotation:
                yield from _parameters(argument.annotation, {}, keywords)
        body = node.body if isinstance(node.body, list) else [node.body]
        for each in body:
            yield from _parameters(each, scope, keywords)
        return
    if isinstance(node, ast.Name) and node.id in scope:
        yield node.lineno, node.col_offset, node.end_col_offset or 0, scope[node.id]
    if isinstance(node, _BINDERS):
        scope = _without(scope, _bound(node))
    for child in ast.iter_child_nodes(node):
        yield from _parameters(child, scope, keywords)


def _without(scope: dict[str, str], bound: set[str]) -> dict[str, str]:
    return {name: new for name, new in scope.items() if name not in bound}


def _bound(node: ast.AST) -> set[str]:
    """The names that a function or comprehension makes its own."""
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return {name.id for each in node.generators for name in ast.walk(each.target) if isinstance(name, ast.Name)}
    assert isinstance(node, _FUNCTIONS)
    found = {argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
    found |= {each.arg for each in (node.args.vararg, node.args.kwarg) if each}
    if isinstance(node, ast.Lambda):
        return found
    freed = set()
    for each in node.body:
        for inner in ast.walk(each):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                found.add(inner.id)
            elif isinstance(inner, ast.Nonlocal | ast.Global):
                freed.update(inner.names)
    return found - freed
