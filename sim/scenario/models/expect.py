"""What must be found, and what must not."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.cases.conditions import Strict
from sim.scenario.models.base import Id, Moment

# The kinds of finding that bridge.rules gives; a test looks for each of them there.
EventKind = Literal[
    "boot", "mode", "presence", "home", "late_home", "left_home", "out_all_night", "curfew_unknown", "zone_entered",
    "zone_left", "strap_cut", "strap_closed", "battery_low", "mains_lost", "mains_back", "moved", "journal_full", "fault",
    "brown_out", "wearer_warned", "clock_gone", "case_opened", "case_closed", "shielded", "shield_ended", "jammed", "jam_ended",
    "spoofed", "spoof_ended", "motion_no_fix", "receiver_dead", "receiver_back", "modem_dead", "modem_back", "unit_silent",
    "unit_back", "comms_lost", "comms_back", "crash", "safe_mode", "safe_mode_ended", "lease", "range_test",
]  # fmt: skip


class Expectation(Strict):
    """What must be found (`event`, between two moments), or must not (`never`; in the whole run, or between two moments)."""

    wearer: Id
    event: EventKind | None = None
    never: EventKind | None = None
    between: Annotated[list[Moment], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Expectation":
        if (self.event is None) == (self.never is None):
            raise ValueError('either "event" or "never"')
        if self.event is not None and self.between is None:
            raise ValueError('"between" with "event"')
        return self
