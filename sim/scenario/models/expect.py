"""What must be found, and what must not."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.cases.conditions import Strict
from sim.scenario.models.base import Duration, Id, Moment

# The kinds of finding that bridge.rules gives; a test looks for each of them there.
EventKind = Literal[
    "boot", "mode", "presence", "home", "late_home", "left_home", "out_all_night", "curfew_unknown", "zone_entered",
    "zone_left", "strap_cut", "strap_closed", "battery_low", "mains_lost", "mains_back", "moved", "journal_full", "fault",
    "brown_out", "wearer_warned", "clock_gone", "case_opened", "case_closed", "shielded", "shield_ended", "jammed", "jam_ended",
    "spoofed", "spoof_ended", "motion_no_fix", "receiver_dead", "receiver_back", "modem_dead", "modem_back", "unit_silent",
    "unit_back", "comms_lost", "comms_back", "flapping", "crash", "safe_mode", "safe_mode_ended", "lease", "range_test",
]  # fmt: skip


class Expectation(Strict):
    """What must be found (`event`), or must not (`never`; in the whole run, or between two moments).

    When it must have happened, by its own time: `between` two moments, or at or after the moment `of`. How soon it must be known:
    its record is with the bridge `within` so long of that moment; with `between`, within so long of its own time. How often:
    at least once, or `count` times, or `at_most` so often.
    """

    wearer: Id
    event: Annotated[EventKind | None, Field(description="The kind of finding that must be there.")] = None
    never: Annotated[EventKind | None, Field(description="The kind of finding that must not be there.")] = None
    between: Annotated[
        Annotated[list[Moment], Field(min_length=2, max_length=2)] | None,
        Field(description="The first and the last moment of its own time, both included."),
    ] = None
    of: Annotated[Moment | None, Field(description='What "within" counts from; its own time may not be earlier.')] = None
    within: Annotated[
        Duration | None,
        Field(description='How soon its record is with the bridge after "of"; or, with "between", after its own time.'),
    ] = None
    count: Annotated[int | None, Field(ge=1, description="How often it is found, exactly.")] = None
    at_most: Annotated[int | None, Field(ge=1, description="How often it is found at most; at least once in any case.")] = None

    @model_validator(mode="after")
    def _goes_together(self) -> "Expectation":
        if (self.event is None) == (self.never is None):
            raise ValueError('either "event" or "never"')
        if self.never is not None:
            for key in ("of", "within", "count", "at_most"):
                if getattr(self, key) is not None:
                    raise ValueError(f'no "{key}" with "never"')
            return self
        if (self.between is None) == (self.of is None):
            raise ValueError('"between", or "of" and "within", with "event"')
        if self.of is not None and self.within is None:
            raise ValueError('"within" with "of"')
        if self.count is not None and self.at_most is not None:
            raise ValueError('either "count" or "at_most"')
        return self
