"""What the devices say of themselves, as findings: episodes, latches, crashes; and what is none."""

from pathlib import Path
from zlib import crc32

import pytest

from bridge.findings.crashes import place
from bridge.rules import fold
from bridge.rules.conditions import Period, compile_conditions
from bridge.rules.facts import Fact
from firmware.core import record
from tests.bridge.devices import START_S

TAG, UNIT = 0x01000001, 0x02000001
NOW_MS = START_S * 1000
HOME = (50.7154, -2.4367)
CONDITIONS = compile_conditions("w", [Period(TAG, UNIT, NOW_MS, None, HOME)], [], "UTC")


class Case:
    """A wearer whose devices speak, a minute between two records."""

    def __init__(self) -> None:
        self.state = None
        self.seq = 0
        self.at_ms = NOW_MS
        self.found: list[tuple[str, dict]] = []

    def add(self, device: int, kind: int, code: int | None, a: int, b: int, mode: int, lat_e7: int | None) -> "Case":
        self.seq += 1
        self.at_ms += 60_000
        lon_e7 = None if lat_e7 is None else round(HOME[1] * 1e7)
        fact = Fact(device, self.seq, kind, mode, self.at_ms, mode, lat_e7, lon_e7, 0, 50, 80, code, a, b)
        self.state, findings = fold.step(self.state, fact, CONDITIONS)
        self.found += [(finding.kind, finding.detail) for finding in findings]
        return self

    def later(self, minutes: int) -> "Case":
        self.at_ms += minutes * 60_000
        return self

    def event(self, code: int, a: int = 0, b: int = 0, device: int = TAG, mode: int = record.MODE_GPS) -> "Case":
        return self.add(device, record.EVENT, code, a, b, mode, None)

    def fix(self, metres_north: float = 0) -> "Case":
        return self.add(TAG, record.FIX, None, 0, 0, record.MODE_GPS, round((HOME[0] + metres_north / 111_200) * 1e7))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.found if kind not in ("presence", "mode")]

    @property
    def presence(self) -> str:
        assert self.state is not None
        return self.state["presence"].get("value", "unknown")


PAIRS = [
    (record.CASE_OPENED, record.CASE_CLOSED, ["case_opened", "case_closed"]),
    (record.SHIELDED, record.SHIELD_ENDED, ["shielded", "shield_ended"]),
    (record.JAMMED, record.JAM_ENDED, ["jammed", "jam_ended"]),
    (record.SPOOFED, record.SPOOF_ENDED, ["spoofed", "spoof_ended"]),
    (record.RECEIVER_DEAD, record.RECEIVER_BACK, ["receiver_dead", "receiver_back"]),
    (record.MODEM_DEAD, record.MODEM_BACK, ["modem_dead", "modem_back"]),
    (record.UNIT_SILENT, record.UNIT_BACK, ["unit_silent", "unit_back"]),
    (record.COMMS_LOST, record.COMMS_BACK, ["comms_lost", "comms_back"]),
    (record.MAINS_LOST, record.MAINS_BACK, ["mains_lost", "mains_back"]),
]


@pytest.mark.parametrize(("begin", "end", "kinds"), PAIRS)
def test_what_flaps_within_an_episode_is_one(begin: int, end: int, kinds: list[str]) -> None:
    case = Case().event(end).event(begin).event(begin).event(begin).event(end).event(end)
    assert case.kinds == kinds
    assert case.found[-1][1]["seconds"] == 180
    assert case.later(31).event(begin).kinds == [*kinds, kinds[0]]


@pytest.mark.parametrize("begin, end", [pair[:2] for pair in PAIRS[:4]])
def test_tampering_stays_latched_when_it_ends(begin: int, end: int) -> None:
    case = Case().event(begin).event(end)
    assert case.found[-1][1]["latched"] is True
    assert case.state["devices"]["tampers"] == [f"tag:{case.kinds[0]}"]  # pyright: ignore


def test_the_cases_of_tag_and_home_unit_are_two() -> None:
    case = Case().event(record.CASE_OPENED).event(record.CASE_OPENED, device=UNIT).event(record.CASE_CLOSED, device=UNIT)
    assert [(kind, detail["device"]) for kind, detail in case.found] == [
        ("case_opened", "tag"),
        ("case_opened", "home_unit"),
        ("case_closed", "home_unit"),
    ]


def test_moving_without_a_fix_ends_with_a_fix() -> None:
    case = Case().event(record.MOTION_NO_FIX, 900).event(record.MOTION_NO_FIX, 1800).fix()
    assert case.later(14).event(record.MOTION_NO_FIX, 900).kinds == ["motion_no_fix"], "a single fix in a long shift ends nothing"
    assert case.fix().later(40).event(record.MOTION_NO_FIX, 900).kinds == ["motion_no_fix", "motion_no_fix"]


def test_a_silent_home_unit_is_no_absence() -> None:
    case = Case().event(record.PRESENCE, record.PRESENCE_HOME, TAG, device=UNIT)
    case.event(record.MODE, record.MODE_GPS, record.MODE_BY_UNIT_SILENT).event(record.UNIT_SILENT, 300).fix(30)
    assert case.presence == "home" and ("mode", {"mode": "gps", "reason": "by_unit_silent"}) in case.found
    case.event(record.MODE, record.MODE_GPS, record.MODE_BY_DOUBT)
    assert case.presence == "home"
    assert case.fix(400).presence == "not_home", "a fix that is away is one"


def test_who_was_away_and_is_near_a_silent_home_unit_is_nowhere_for_sure() -> None:
    assert Case().fix(400).event(record.UNIT_SILENT, 300).presence == "unknown"


def test_the_tags_word_on_a_zone_is_no_second_finding() -> None:
    zone = ("exclusion", "Z", {"circle": {"lat": HOME[0] + 0.01, "lon": HOME[1], "radius_m": 100}})
    conditions = compile_conditions("w", CONDITIONS.periods, [zone], "UTC")
    lat_e7 = round((HOME[0] + 0.01) * 1e7)
    at = NOW_MS + 1000
    event = Fact(TAG, 1, record.EVENT, 1, at, 1, None, None, None, None, 80, record.ZONE, record.ZONE_INSIDE << 16 | 1, 50)
    fix = Fact(TAG, 2, record.FIX, 1, at, 1, lat_e7, round(HOME[1] * 1e7), 0, 50, 80, None, None, None)
    state, first = fold.step(None, event, conditions)
    _, second = fold.step(state, fix, conditions)
    assert [finding.kind for finding in (*first, *second) if finding.kind != "presence"] == ["zone_entered"]


def test_the_rest_is_told_once_each_and_unknown_codes_are_survived() -> None:
    case = Case().event(record.LEASE, 3, record.LEASE_WITHDRAWN).event(record.SAFE_MODE, 1).event(record.SAFE_MODE, 0)
    case.event(record.BROWN_OUT, 3100).event(record.WARNED, 20).event(record.CLOCK_GONE, 1800).event(record.ORDER_DONE, 5)
    case.event(record.RANGE, 2 << 16 | 57, (-95 & 0xFFFF) << 16 | -71 & 0xFFFF, device=UNIT)
    for code in (*range(44, 80), 255, 65535):
        case.event(code, -1, 2**31 - 1)
    told = ["lease", "safe_mode", "safe_mode_ended", "brown_out", "wearer_warned", "clock_gone", "range_test"]
    assert case.kinds == told
    assert case.found[0][1] == {"wear_period": 3, "lease": "withdrawn"}
    assert case.found[-1][1] == {"room": 2, "frames": 57, "median_dbm": -71}
    assert case.event(record.MODE, record.MODE_OFF, record.MODE_BY_LEASE).found[-1] == (
        "mode",
        {"mode": "off", "reason": "by_lease"},
    )


def test_a_crash_is_told_by_its_place() -> None:
    path, kind = crc32(b"firmware/tag/tracker.py"), crc32(b"OSError") & 0x7FFF
    assert place(path, 117, kind) == "firmware/tag/tracker.py line 117 (OSError)"
    assert place(path, 5, crc32(b"SettingsError") & 0x7FFF).endswith("line 5 (SettingsError)")
    assert place(0xDEADBEEF, 7, 0x7ABC) == "module deadbeef line 7 (exception 7abc)"
    assert place(0, 0, 0) == "no trace: reset by the watchdog"


def test_a_crash_reaches_the_store_with_its_place(tmp_path: Path) -> None:
    from sqlalchemy import select

    from bridge.findings import Findings
    from bridge.ingest import Inbound, Ingest
    from bridge.keys import Keyring
    from bridge.store import open_store, schema
    from tests.bridge.devices import FLEET_KEY, Device, wear

    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001")
    tag = Device("tag-000001")
    crash = tag.event(record.CRASH, NOW_MS, crc32(b"firmware/core/uplink.py"), (crc32(b"MemoryError") & 0x7FFF) << 16 | 40000)
    Ingest(engine, Keyring(FLEET_KEY), clock="records").handle([Inbound(tag.up, tag.message([crash]))])
    findings = Findings(engine, clock="records")
    while findings.run():
        pass
    with engine.connect() as connection:
        (event,) = connection.execute(select(schema.event)).all()
    assert event.detail == {"device": "tag", "where": "firmware/core/uplink.py line 40000 (MemoryError)"}
