"""What a scenario expects, held against what was found and when it came."""

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import Connection, Engine, select

from bridge.store.schema import event, record
from sim.control.acts import OVER, Act, load_acts
from sim.control.hand import LOG
from sim.engine import arrivals
from sim.scenario import Expectation, Fault, Scenario
from sim.scenario.faults import FaultKind, act_of, over_the_town

FOR_EVER_MS = 1 << 61
_UNKNOWN = -1
_IN_BETWEEN = ("broker_down", "bridge_down", "broker_slow", "bridge_slow", "network_partition")
_LOOK_ON = 200  # records: by how many the order in which they were stored may differ from that in which they came


@dataclass(frozen=True)
class Outcome:
    """`text` says what was expected; `met` is None when that lies beyond what was simulated; `why` says what is wrong, if so."""

    wearer_id: str
    text: str
    met: bool | None
    why: str = ""


class Came:
    """When records were with the bridge, in virtual ms: as their last byte left, plus the network's latency of that moment.

    What the scenario does in between counts: a bridge that is down or parted has them as it is back, one that is slow, or a slow
    broker, so much later. What was on its way to a broker that then was down was sent again; what was written while the network
    was parted came after that, unless it was sent again too. The bridge's own share, a commit and the rules, is not in it: on
    the virtual clock it takes no time.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self._start_ms = scenario.start_utc_ms
        self._faults = [fault for fault in [*scenario.faults, *by_hand(folder, scenario)] if fault.kind in _IN_BETWEEN]
        self._wearers = {name: p.id for p in scenario.file.people for name in (p.tag, p.home_unit) if name is not None}
        self._by_device: dict[int, array[int]] = {}
        without: list[arrivals.Sent] = []
        for sent in arrivals.read(folder):
            if sent.latency_ms is None:
                without.append(sent)
            else:
                self._note(sent, self._reaches_ms(sent.sent_ms + sent.latency_ms))
        if without:
            # Places whose network swallows what is sent: the world has to be asked for them.
            self._faults += over_the_town(scenario.world(), without[-1].sent_ms + 1)
        for sent in without:
            if parted := self._during(sent.sent_ms, "network_partition", "devices", sent.carrier):
                self._note(sent, parted.until_ms, is_sure=False)

    def _reaches_ms(self, at_ms: int) -> int | None:
        """When what reaches the broker at a time is with the bridge. None: never, since the broker is not there."""
        if self._during(at_ms, "broker_down"):
            return None
        for kind in ("broker_slow", "bridge_slow"):
            if slow := self._during(at_ms, kind):
                at_ms += slow.delay_ms
        while gone := self._during(at_ms, "bridge_down") or self._during(at_ms, "network_partition", "bridge"):
            at_ms = gone.until_ms
        return at_ms

    def _during(self, t_ms: int, kind: str, between: str = "devices", carrier: str | None = None) -> Fault | None:
        going_on = (f for f in self._faults if f.kind == kind and f.between == between and f.from_ms <= t_ms < f.until_ms)
        return next((fault for fault in going_on if carrier is None or self._befalls(fault, carrier)), None)

    def _befalls(self, fault: Fault, carrier: str) -> bool:
        if fault.device:
            return fault.device == carrier
        return fault.wearer_id in (None, self._wearers.get(carrier))

    def _note(self, sent: arrivals.Sent, came_ms: int | None, is_sure: bool = True) -> None:
        if came_ms is None:
            return
        its = self._by_device.setdefault(sent.device_id, array("q"))
        end = sent.last + 1
        if len(its) < end:
            its.extend([_UNKNOWN] * (end - len(its)))
        for seq in range(sent.first, end):
            if its[seq] == _UNKNOWN or (is_sure and came_ms < its[seq]):
                its[seq] = came_ms

    def record_ms(self, device_id: int, seq: int) -> int | None:
        """None when it is not known, as of what was sent without a network."""
        its = self._by_device.get(device_id, ())
        found = its[seq] if 0 <= seq < len(its) else _UNKNOWN
        return None if found == _UNKNOWN else found

    def event_ms(self, connection: Connection, row: Any) -> int | None:
        """When the bridge could know a finding: with its record, or with the first that moved the records' clock so far."""
        if row.device_id is not None and row.seq is not None:
            return self.record_ms(row.device_id, row.seq)
        then = select(record.c.device_id, record.c.seq).where(record.c.received_ms >= row.received_ms)
        rows = connection.execute(then.order_by(record.c.id).limit(_LOOK_ON))
        known = [came for device_id, seq in rows if (came := self.record_ms(device_id, seq)) is not None]
        return min(known, default=None)


def by_hand(folder: Path, scenario: Scenario) -> list[Fault]:
    """What somebody made fail between devices and people while the run went on, by the run's own log."""
    out: list[Fault] = []
    begun: dict[tuple[str, str | None], Act] = {}
    for act in acts_of(folder, scenario):
        kind = act.what.removesuffix(OVER)
        if kind not in get_args(FaultKind):
            continue
        before = begun.pop((kind, act.wearer), None)
        if before is not None:
            out.append(act_of(kind, act.wearer, before.values, before.at_ms, act.at_ms))
        if act.what == kind:
            begun[kind, act.wearer] = act
    return out + [act_of(kind, wearer, act.values, act.at_ms, FOR_EVER_MS) for (kind, wearer), act in begun.items()]


def acts_of(folder: Path, scenario: Scenario) -> list[Act]:
    """All that was done by hand to a run."""
    log = folder / LOG
    return load_acts(log, scenario) if log.exists() else []


def outcomes(engine: Engine, scenario: Scenario, folder: Path, ended_ms: int, settled_ms: int) -> list[Outcome]:
    """Of each expectation. `ended_ms` is what was simulated, `settled_ms` until when findings may be dated."""
    needs_came = any(e.within_ms is not None for e in scenario.expect)
    came = Came(folder, scenario) if needs_came else None
    with engine.connect() as connection:
        return [_outcome(connection, e, scenario, came, ended_ms, settled_ms) for e in scenario.expect]


def text_of(e: Expectation, scenario: Scenario) -> str:
    """`jory: strap_cut between 14:19:00 and 14:22:00, exactly 1`."""
    if e.never:
        return f"{e.wearer_id}: never {e.kind}" + (f" {_between(e, scenario)}" if e.until_ms < FOR_EVER_MS else "")
    if e.of_ms is not None and e.within_ms is not None:
        when = f"known within {seconds(e.within_ms)} of {_clock(scenario, e.of_ms)}"
    else:
        when = _between(e, scenario)
        if e.within_ms is not None:
            when += f", known within {seconds(e.within_ms)}"
    often = "" if e.count is None else f", exactly {e.count}"
    often += "" if e.at_most is None else f", at most {e.at_most}"
    return f"{e.wearer_id}: {e.kind} {when}{often}"


def _outcome(
    connection: Connection, e: Expectation, scenario: Scenario, came: Came | None, ended_ms: int, settled_ms: int
) -> Outcome:
    text = text_of(e, scenario)
    if not e.never and ended_ms < e.until_ms < FOR_EVER_MS:
        return Outcome(e.wearer_id, text, None, f"beyond what was simulated, which ended at {_clock(scenario, ended_ms)}")
    found = _found(connection, e, scenario.start_utc_ms, settled_ms)
    if e.never:
        why = f"{e.wearer_id}: {e.kind} must not be found, but was, {len(found)} times" if found else ""
        return Outcome(e.wearer_id, text, not found, why)
    in_time = found
    if came is not None and e.within_ms is not None:
        lags = []
        in_time = []
        for row in found:
            t_ms = row.at_ms - scenario.start_utc_ms
            came_ms = came.event_ms(connection, row)
            if came_ms is None:
                continue
            lags.append(came_ms - (t_ms if e.of_ms is None else e.of_ms))
            if lags[-1] <= e.within_ms:
                in_time.append(row)
        if found and not in_time:
            first = f"after {seconds(min(lags))}" if lags else "nobody knows when"
            return Outcome(e.wearer_id, text, False, f"{text}: it was found, but known {first} at the soonest")
    if not in_time:
        first, last = (_clock(scenario, t) for t in (e.from_ms, min(e.until_ms, ended_ms)))
        return Outcome(e.wearer_id, text, False, f"{e.wearer_id}: {e.kind} must be found between {first} and {last}, but was not")
    most = e.count if e.count is not None else e.at_most
    if most is not None and (len(in_time) > most or (e.count is not None and len(in_time) != e.count)):
        return Outcome(e.wearer_id, text, False, f"{text}: it was found {len(in_time)} times")
    return Outcome(e.wearer_id, text, True)


def _found(connection: Connection, e: Expectation, start_ms: int, settled_ms: int) -> list[Any]:
    columns = (event.c.device_id, event.c.seq, event.c.at_ms, event.c.received_ms)
    statement = select(*columns).where(
        event.c.wearer_id == e.wearer_id,
        event.c.kind == e.kind,
        event.c.superseded.is_(False),
        event.c.at_ms >= start_ms + e.from_ms,
        event.c.at_ms <= start_ms + min(e.until_ms, settled_ms),
    )
    return list(connection.execute(statement.order_by(event.c.at_ms)))


def seconds(ms: float) -> str:
    """`0.8 s`, `12 s`, `4 min 10 s`."""
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    whole = round(ms / 1000)
    parts = [(whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _between(e: Expectation, scenario: Scenario) -> str:
    return f"between {_clock(scenario, e.from_ms)} and {_clock(scenario, e.until_ms)}"


def _clock(scenario: Scenario, t_ms: int) -> str:
    """Local time of day; with its day when that is not the first."""
    local, first = scenario.local_time(t_ms), scenario.local_time(0).date()
    days = (local.date() - first).days
    return f"{local:%H:%M:%S}" if not days else f"day {days + 1} {local:%H:%M:%S}"
