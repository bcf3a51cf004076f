"""Where: the town, circles and zones in it, and where there is no network."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bridge.cases.conditions import Circle, Point, Polygon, Strict
from sim.scenario.models.base import Moment, PlaceName

MapFile = Annotated[str, Field(min_length=1, description="A file, by its path from the scenario's folder.")]


class Town(Strict):
    """The synthetic town: which one (seed), where on Earth, how wide. Or a real one from a file: `geojson`, as OpenStreetMap is
    exported, or `gpx`, whose tracks and routes are its paths. `traffic`: how often vehicles stand where they turn."""

    geojson: MapFile | None = None
    gpx: MapFile | None = None
    traffic: Literal["none", "light", "busy"] = "none"
    seed: Annotated[int, Field(ge=0)] = 1
    centre: Point = Point(lat=50.7154, lon=-2.4367)
    size_m: Annotated[int, Field(ge=1600, le=4000)] = 2400

    @model_validator(mode="after")
    def _one_source(self) -> "Town":
        if self.geojson is not None and self.gpx is not None:
            raise ValueError('either "geojson" or "gpx"')
        if self.file is not None and self.model_fields_set & {"seed", "centre", "size_m"}:
            raise ValueError('no "seed", "centre" or "size_m" with a town from a file')
        return self

    @property
    def file(self) -> str | None:
        return self.geojson or self.gpx

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


class Radio(Strict):
    """What else is on the air. `bystanders_per_min`: advertisements of other people's devices that a listening device hears in a
    busy place, on average; `lookalikes_percent` of them look like a household's, sealed with another key. `turning_db`: how
    much more or less than on average the wearer's body takes from the signal, as it turns."""

    bystanders_per_min: Annotated[float, Field(ge=0, le=6000)] = 0
    lookalikes_percent: Annotated[float, Field(ge=0, le=100)] = 0
    turning_db: Annotated[float, Field(ge=0, le=10)] = 0


class Hole(Strict):
    """Where (and when) there is no mobile network; or a bad one: `quality` slow (`kbit_s`, and `latency_ms` more each way), or
    half_open (what is sent on a connection arrives nowhere, and nobody is told)."""

    quality: Literal["none", "slow", "half_open"] = "none"
    kbit_s: Annotated[float | None, Field(ge=0.05, le=100_000)] = None
    latency_ms: Annotated[int | None, Field(ge=0, le=60_000)] = None
    circle: Circle | None = None
    around: Around | None = None
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _one_shape(self) -> "Hole":
        if (self.circle is None) == (self.around is None):
            raise ValueError('either "circle" or "around"')
        given = self.kbit_s is not None or self.latency_ms is not None
        if given != (self.quality == "slow"):
            raise ValueError('"kbit_s", "latency_ms" or both with "quality: slow", and only there')
        return self
