"""What fails, or is made to fail."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from bridge.cases.conditions import Circle, Strict
from sim.scenario.models.base import Id, Moment
from sim.scenario.models.places import Around

Kind = Literal[
    "broker_down", "bridge_down", "broker_slow", "bridge_slow", "network_slow", "network_partition", "coverage_lost", "jam",
    "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead", "motion_stuck", "home_network_lost",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
_HOW = {
    "receiver_dead": ("silent", "garbage"),
    "receiver_says": ("zero_position", "year_1980", "rollover", "future", "leap_second"),
    "motion_stuck": ("still", "moving"),
}
OF_A_KIND = {  # fault -> its own keys
    "jam": ("wearer", "around", "circle", "fall_db", "ramp_s"),
    "spoof": ("wearer", "jump_m", "drift_mps", "bearing_deg"),
    "broker_down": (), "bridge_down": (),
    "broker_slow": ("delay_s",), "bridge_slow": ("delay_s",),
    "network_slow": ("wearer", "kbit_s", "latency_ms"),
    "network_partition": ("wearer", "between"),
    **dict.fromkeys(("coverage_lost", "shield", "modem_dead", "home_network_lost"), ("wearer",)),
    **dict.fromkeys(_HOW, ("wearer", "how")),
}  # fmt: skip
_OWN = sorted({key for keys in OF_A_KIND.values() for key in keys})


class Fault(Strict):
    """Something that fails, or is made to fail, for a while. `wearer`: whose tag (without it, all). What each kind takes:

    - broker_down, bridge_down: the program is killed and started again.
    - broker_slow, bridge_slow: the program really stops again and again, and what it has to say comes `delay_s` late.
    - network_slow: `kbit_s` for each connection, `latency_ms` more each way. `wearer`: of whose tag and home unit.
    - network_partition: nothing passes and nobody is told, `between` the broker and "devices" (of a `wearer`) or the "bridge".
    - home_network_lost: the router of the wearer's home has no way to the internet. `wearer`: at whose home.
    - coverage_lost: no mobile network. modem_dead: the modem answers nothing. shield: foil; no satellite, home unit or network.
    - jam: C/N0 of all satellites falls by `fall_db` within `ramp_s`; near a place only, with `around` or `circle`.
    - spoof: the receiver shows a place `jump_m` away at `bearing_deg`, which moves away at `drift_mps`.
    - receiver_dead: `how` silent or garbage. motion_stuck: `how` still or moving. receiver_says: `how` is a sentinel.

    With `per_day` it comes so often on average, each time for some of the `minutes`, at moments that the seed draws; `from` and
    `until`, if there, then say within which time.
    """

    kind: Kind
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="until")
    per_day: Annotated[float | None, Field(gt=0, le=1440)] = None
    minutes: Annotated[
        list[Annotated[float, Field(gt=0, le=1440)]] | None,
        Field(min_length=2, max_length=2, description='With "per_day": how long it lasts, at least and at most.'),
    ] = None
    wearer: Id | None = None
    around: Around | None = None
    circle: Circle | None = None
    fall_db: Annotated[float | None, Field(ge=1, le=60)] = None
    ramp_s: Annotated[int | None, Field(ge=0, le=3600)] = None
    jump_m: Annotated[float | None, Field(ge=0, le=1_000_000)] = None
    drift_mps: Annotated[float | None, Field(ge=0, le=300)] = None
    bearing_deg: Annotated[float | None, Field(ge=0, lt=360)] = None
    how: str | None = None
    # Who waits for longer hangs up, and hears it from the broker at some time after: a program that is down shows that better.
    delay_s: Annotated[float | None, Field(gt=0, le=12)] = None
    kbit_s: Annotated[float | None, Field(ge=0.05, le=1_000_000)] = None
    latency_ms: Annotated[int | None, Field(ge=1, le=60_000)] = None
    between: Literal["devices", "bridge"] | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "Fault":
        own = OF_A_KIND[self.kind]
        for key in _OWN:
            if key not in own and getattr(self, key) is not None:
                takers = ", ".join(f'"{kind}"' for kind, keys in OF_A_KIND.items() if key in keys)
                raise ValueError(f'"{key}" only with {takers}')
        if self.kind in _HOW and self.how not in _HOW[self.kind]:
            raise ValueError(f'"how" of {self.kind}: one of {", ".join(_HOW[self.kind])}')
        if self.around is not None and self.circle is not None:
            raise ValueError('either "circle" or "around"')
        if self.kind == "spoof" and not self.jump_m and not self.drift_mps:
            raise ValueError('"jump_m", "drift_mps" or both with "spoof"')
        if self.kind in ("broker_slow", "bridge_slow") and self.delay_s is None:
            raise ValueError(f'"delay_s" with "{self.kind}"')
        if self.kind == "network_slow" and self.kbit_s is None and self.latency_ms is None:
            raise ValueError('"kbit_s", "latency_ms" or both with "network_slow"')
        if self.between == "bridge" and self.wearer is not None:
            raise ValueError('no "wearer" with "between: bridge": what the bridge does not hear, it hears of nobody')
        return self

    @model_validator(mode="after")
    def _when(self) -> "Fault":
        if self.per_day is None:
            if self.start is None or self.end is None:
                raise ValueError('"from" and "until", or "per_day" and "minutes"')
            if self.minutes is not None:
                raise ValueError('"minutes" only with "per_day"')
        elif self.minutes is None or self.minutes[0] > self.minutes[1]:
            raise ValueError('with "per_day": "minutes", as [at least, at most]')
        return self
