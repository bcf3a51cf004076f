"""What fails, or is made to fail."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.cases.conditions import Circle, Strict
from sim.scenario.models.base import Id, Moment
from sim.scenario.models.places import Around

_HOW = {
    "receiver_dead": ("silent", "garbage"),
    "receiver_says": ("zero_position", "year_1980", "rollover", "future", "leap_second"),
    "motion_stuck": ("still", "moving"),
}
_OF_A_KIND = {  # fault -> its own keys
    "jam": ("wearer", "around", "circle", "fall_db", "ramp_s"),
    "spoof": ("wearer", "jump_m", "drift_mps", "bearing_deg"),
    "broker_down": (), "bridge_down": (),
    **dict.fromkeys(("coverage_lost", "shield", "modem_dead", "home_network_lost"), ("wearer",)),
    **dict.fromkeys(_HOW, ("wearer", "how")),
}  # fmt: skip


class Fault(Strict):
    """Something that fails, or is made to fail, for a while. `wearer`: whose tag (without it, all). What each kind takes:

    - broker_down, bridge_down: the program really ends and is started again.
    - home_network_lost: the router of the wearer's home has no way to the internet. `wearer`: at whose home.
    - coverage_lost: no mobile network. modem_dead: the modem answers nothing. shield: foil; no satellite, home unit or network.
    - jam: C/N0 of all satellites falls by `fall_db` within `ramp_s`; near a place only, with `around` or `circle`.
    - spoof: the receiver shows a place `jump_m` away at `bearing_deg`, which moves away at `drift_mps`.
    - receiver_dead: `how` silent or garbage. motion_stuck: `how` still or moving. receiver_says: `how` is a sentinel.
    """

    kind: Literal[
        "broker_down", "bridge_down", "coverage_lost", "jam", "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead",
        "motion_stuck", "home_network_lost",
    ]  # fmt: skip
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="until")
    wearer: Id | None = None
    around: Around | None = None
    circle: Circle | None = None
    fall_db: Annotated[float | None, Field(ge=1, le=60)] = None
    ramp_s: Annotated[int | None, Field(ge=0, le=3600)] = None
    jump_m: Annotated[float | None, Field(ge=0, le=1_000_000)] = None
    drift_mps: Annotated[float | None, Field(ge=0, le=300)] = None
    bearing_deg: Annotated[float | None, Field(ge=0, lt=360)] = None
    how: str | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "Fault":
        own = _OF_A_KIND[self.kind]
        for key in ("wearer", "around", "circle", "fall_db", "ramp_s", "jump_m", "drift_mps", "bearing_deg", "how"):
            if key not in own and getattr(self, key) is not None:
                takers = ", ".join(f'"{kind}"' for kind, keys in _OF_A_KIND.items() if key in keys)
                raise ValueError(f'"{key}" only with {takers}')
        if self.kind in _HOW and self.how not in _HOW[self.kind]:
            raise ValueError(f'"how" of {self.kind}: one of {", ".join(_HOW[self.kind])}')
        if self.around is not None and self.circle is not None:
            raise ValueError('either "circle" or "around"')
        if self.kind == "spoof" and not self.jump_m and not self.drift_mps:
            raise ValueError('"jump_m", "drift_mps" or both with "spoof"')
        return self
