"""The conditions a wearer may have, as a person writes them down: curfews, exclusion zones, inclusion zones.

Plain pydantic models with no store behind them. Whatever they accept can be judged: a polygon is simple and has an area, a
time of day is one, every place is on Earth. Degrees are WGS 84, distances metres, times of day local to the scheme.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


def parse_time_of_day(text: str) -> int:
    """Minutes since local midnight of "21:00". ValueError for anything that is no time of day."""
    hours, colon, minutes = text.partition(":")
    digits = colon and len(minutes) == 2 and 1 <= len(hours) <= 2 and (hours + minutes).isdecimal() and text.isascii()
    if digits and int(hours) < 24 and int(minutes) < 60:
        return int(hours) * 60 + int(minutes)
    raise ValueError('a time of day such as "21:00", in quotes')


def _time_of_day(value: object) -> str:
    # YAML 1.1 reads 21:00 without quotes as the number 1260: refuse rather than guess.
    if not isinstance(value, str):
        raise ValueError('a time of day such as "21:00", in quotes')
    minutes = parse_time_of_day(value)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


TimeOfDay = Annotated[str, BeforeValidator(_time_of_day)]


class Strict(BaseModel):
    """An unknown key is an error everywhere: a typing mistake must not switch a condition off."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Point(Strict):
    lat: Latitude
    lon: Longitude


class Circle(Point):
    radius_m: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


def _simple(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]  # closed by hand: the same polygon
    if len(set(points)) < 3:
        raise ValueError("at least three different points")
    from shapely import Polygon  # late: most readers of a scheme have no polygon

    if not (shape := Polygon([(lon, lat) for lat, lon in points])).is_valid or not shape.area:
        raise ValueError("a polygon whose edges do not cross or touch")
    lons = [lon for _, lon in points]
    if max(lons) - min(lons) > 180:
        raise ValueError("a polygon that does not cross the 180th meridian")
    return points


Polygon = Annotated[list[tuple[Latitude, Longitude]], AfterValidator(_simple)]


class Curfew(Strict):
    """At home from `start` until `end` (the next day when `end` is not later), on nights that begin on one of `days`."""

    kind: Literal["curfew"] = "curfew"
    name: Annotated[str, Field(min_length=1)]
    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="until")
    days: Annotated[list[Weekday], Field(min_length=1)] | None = None  # None: every day
    grace_min: Annotated[int, Field(ge=0, le=240)] = 5

    @field_validator("end")
    @classmethod
    def _not_the_start(cls, end: str, info) -> str:
        if end == info.data.get("start"):
            raise ValueError('a time that differs from "from"')
        return end

    def spec(self) -> dict:
        """What `condition.spec` keeps, and `bridge.rules` reads."""
        return self.model_dump(mode="json", by_alias=True, exclude={"kind", "name"})


class Zone(Strict):
    """A place to keep out of (exclusion) or to stay in (inclusion): a circle or a polygon, not both."""

    kind: Literal["exclusion", "inclusion"]
    name: Annotated[str, Field(min_length=1)]
    circle: Circle | None = None
    polygon: Polygon | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> "Zone":
        if (self.circle is None) == (self.polygon is None):
            raise ValueError('either "circle" or "polygon"')
        return self

    def spec(self) -> dict:
        """What `condition.spec` keeps, and `bridge.rules` reads."""
        return self.model_dump(mode="json", exclude={"kind", "name"}, exclude_none=True)


Condition = Annotated[Curfew | Zone, Field(discriminator="kind")]
