"""What the models of a scenario are made of: times as people write them, ids, names of places."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from sim.scenario.moments import parse_clock, parse_duration, parse_moment


def _checked(parse):
    def check(value: object) -> object:
        parse(value)
        return value

    return check


def _local(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError("a local date and time without an offset, such as 2026-06-01T06:00:00")
    return value


def _text(pattern: str, description: str) -> Any:
    """What an editor may check of a text that a parser of ours reads."""
    return Annotated[str, Field(pattern=pattern, description=description)]


_CLOCK = _text(r"^\d{1,2}:\d{2}(:\d{2})?$", 'A local clock time such as "14:20", in quotes.')
_MOMENT = _text(r"^(day \d+ )?\d{1,2}:\d{2}(:\d{2})?$", 'A moment such as "14:20" (first day) or "day 2 07:15", in quotes.')
_DURATION = _text(r"^(\d+[dhms] ?)+$", "A length of time such as 24h, 90m or 1d 12h; a plain number is seconds.")
_START = _text(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$", "A local date and time without an offset.")

Clock = Annotated[str, BeforeValidator(_checked(parse_clock), json_schema_input_type=_CLOCK)]
Moment = Annotated[str, BeforeValidator(_checked(parse_moment), json_schema_input_type=_MOMENT)]
Duration = Annotated[str | int, BeforeValidator(_checked(parse_duration), json_schema_input_type=_DURATION | int)]
LocalTime = Annotated[
    datetime,
    BeforeValidator(_local, json_schema_input_type=_START),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


PlaceName = Annotated[str, Field(min_length=1, description='A place of the town, an address, or "home".')]
