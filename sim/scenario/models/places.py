"""Where: the town, circles and zones in it, and where there is no network."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bridge.cases.conditions import Circle, Point, Polygon, Strict
from sim.scenario.models.base import Moment, PlaceName


class Town(Strict):
    """The synthetic town: which one (seed), where on Earth, how wide."""

    seed: Annotated[int, Field(ge=0)] = 1
    centre: Point = Point(lat=50.7154, lon=-2.4367)
    size_m: Annotated[int, Field(ge=1600, le=4000)] = 2400

    @field_validator("centre")
    @classmethod
    def _mapped(cls, centre: Point) -> Point:
        if abs(centre.lat) > 75 or abs(centre.lon) > 179.8:
            raise ValueError("a centre within 75° of the equator and away from the 180th meridian")
        return centre


class Around(Strict):
    """A circle around a place of the town."""

    place: PlaceName
    radius_m: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class Zone(Strict):
    """A place to keep out of (exclusion) or to stay in (inclusion), drawn in one of three ways."""

    kind: Literal["exclusion", "inclusion"]
    name: Annotated[str, Field(min_length=1)]
    circle: Circle | None = None
    polygon: Polygon | None = None
    around: Around | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> "Zone":
        if sum(shape is not None for shape in (self.circle, self.polygon, self.around)) != 1:
            raise ValueError('one of "circle", "polygon" or "around"')
        return self


class Hole(Strict):
    """Where (and when) there is no mobile network."""

    circle: Circle | None = None
    around: Around | None = None
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _one_shape(self) -> "Hole":
        if (self.circle is None) == (self.around is None):
            raise ValueError('either "circle" or "around"')
        return self
