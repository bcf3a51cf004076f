"""What devices are asked for while they are out."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.cases.conditions import Strict
from bridge.cases.scheme import HomeUnitName, TagName
from sim.scenario.models.base import Moment
from sim.scenario.models.places import Zone


class Order(Strict):
    """Something that a device, a tag or a home unit, is asked for. `lease_withdrawn` ends the wear period now; with
    `zone_added` its wearer has one condition more from now on."""

    at: Moment
    device: TagName | HomeUnitName
    kind: Literal["locate", "vibrate", "range_test", "lease", "lease_withdrawn", "config", "rotate_key", "zone_added"]
    zone: Zone | None = None
    pattern: Literal["short", "long", "thrice"] | None = None
    room: Annotated[str | None, Field(min_length=1)] = None
    seconds: Annotated[int | None, Field(ge=1, le=600)] = None
    reason: str = ""

    @model_validator(mode="after")
    def _goes_together(self) -> "Order":
        if self.pattern is not None and self.kind != "vibrate":
            raise ValueError('"pattern" only with "vibrate"')
        if (self.room is not None or self.seconds is not None) and self.kind != "range_test":
            raise ValueError('"room" and "seconds" only with "range_test"')
        if self.kind == "range_test" and self.room is None:
            raise ValueError('"room" with "range_test"')
        if (self.zone is None) == (self.kind == "zone_added"):
            raise ValueError('"zone" with "zone_added", and only there')
        return self
