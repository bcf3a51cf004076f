"""From a YAML file that a person wrote to a pydantic model, or to a ConfigError that names the line, the field, the value and
what was expected."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bridge.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[int | str, ...]


def read_yaml(path: Path | str) -> tuple[Any, yaml.Node | None]:
    """(the data, the node tree with its line numbers). ConfigError when it cannot be read or is no YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "(file)", str(path), f"a readable YAML file ({_reason(error)})") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_double_keys(path, node)
        return yaml.safe_load(text), node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        raise ConfigError(where, "(syntax)", getattr(error, "problem", None) or str(error), "valid YAML") from None
    except (ValueError, RecursionError) as error:  # such as a date of 31 February
        raise ConfigError(path, "(syntax)", str(error), "valid YAML") from None


def read_model(path: Path | str, model: type[Model]) -> Model:
    """The file as `model`. ConfigError for the first thing wrong with it."""
    data, node = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(path, "(file)", data, "a mapping with the keys " + ", ".join(_keys(model)))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise config_error(path, error, node, model) from None


def config_error(path: Path | str, error: ValidationError, node: yaml.Node | None, model: type[BaseModel]) -> ConfigError:
    """The first of pydantic's complaints in our words; an unknown key comes first, for it often explains the rest."""
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    loc = _without_tags(problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _known_at(model, problem["loc"][:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, 1)
        expected = f"one of the keys {', '.join(known)}" + (f" (did you mean {near[0]!r}?)" if near else "")
        return ConfigError(_where(path, node, loc), field_name(loc[:-1]) or "(file)", loc[-1], expected)
    value = None if problem["type"] == "missing" else problem["input"]
    if problem["type"] == "missing":
        expected = "a value (it is required)"
    elif problem["type"] == "value_error":
        expected = problem["msg"].removeprefix("Value error, ")
    elif problem["type"] == "literal_error" or problem["type"].startswith("union_tag"):
        context = problem.get("ctx", {})
        expected = "one of " + str(
            context.get("expected") or context.get("expected_tags") or "'curfew', 'exclusion', 'inclusion'"
        )
        if problem["type"].startswith("union_tag"):
            value = value.get("kind") if isinstance(value, dict) else value
            loc = (*loc, "kind")
    else:
        expected = problem["msg"].removeprefix("Input should be ")
        expected = expected[:1].lower() + expected[1:]
    return ConfigError(_where(path, node, loc), field_name(loc), value, expected)


def field_name(loc: Loc) -> str:
    """`wearers[0].home.lat` of ("wearers", 0, "home", "lat")."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def where(path: Path | str, node: yaml.Node | None, loc: Loc) -> str:
    """`file:line` of the field, or of the nearest thing around it that the file has."""
    return _where(path, node, loc)


def _where(path: Path | str, node: yaml.Node | None, loc: Loc) -> str:
    line: int | None = None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child: yaml.Node = node.value[part]
            line, node = child.start_mark.line, child
        else:
            break
    return f"{path}:{line + 1}" if line is not None else str(path)


def _refuse_double_keys(path: Path | str, node: yaml.Node | None) -> None:
    """PyYAML keeps the last of two equal keys in silence; two `until:` are a mistake."""
    stack = [node] if node is not None else []
    seen: set[int] = set()
    while stack:
        here = stack.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in here.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        raise ConfigError(f"{path}:{key.start_mark.line + 1}", key.value, key.value, "each key once")
                    keys.add(key.value)
                stack += [key, value]
        elif isinstance(here, yaml.SequenceNode):
            stack += here.value


def _without_tags(loc: Loc) -> Loc:
    """pydantic names the branch of a union after the list's index; the file has no such level."""
    return tuple(part for i, part in enumerate(loc) if not (i and isinstance(loc[i - 1], int) and _is_tag(part)))


def _is_tag(part: int | str) -> bool:
    return part in ("curfew", "exclusion", "inclusion")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _known_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the model at `loc` has."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
        if here is None:
            return []
    models = _models_in(here)
    return _keys(models[0]) if models else []


def _step(here: Any, part: int | str) -> Any:
    models = _models_in(here)
    if _is_tag(part):
        for model in models:
            kind = model.model_fields.get("kind")
            if kind is not None and part in (getattr(kind.annotation, "__args__", ()) or ()):
                return model
        return None
    if isinstance(part, int):
        return here
    for model in models:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for part in getattr(annotation, "__args__", ()):
        found += _models_in(part)
    return found


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
