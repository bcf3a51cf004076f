"""Who hears which advertisement, when and how loud: a function of time, however the engine slices it."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sim.engine.air import Air
from sim.engine.device import Device
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.engine.still import inbox, still_device

RANGE_M = 100.0
SPEED_MPS = 45.0
INTERVAL_MS = 300
ADVERTISEMENT = bytes(range(24))


class Field:
    """A tag and a home unit at a distance that is a function of time."""

    def __init__(self, distance=lambda t_ms: 10.0, seed: int = 1) -> None:
        self.tag = still_device("tag-000001", 0x01000001)
        self.unit = still_device("hmu-000001", 0x02000001)
        self.asked: list[int] = []

        def rssi(sender: str, hearer: str, t_ms: int) -> float | None:
            self.asked.append(t_ms)
            return -60.0 - t_ms % 7 if distance(t_ms) < RANGE_M else None

        def apart_until(one: str, other: str, t_ms: int) -> int:
            spare_m = distance(t_ms) - RANGE_M
            return t_ms if spare_m <= 0 else t_ms + 1 + int(spare_m / SPEED_MPS * 1000)

        self.air = Air(seed, apart_until, rssi)
        self.air.join([self.tag, self.unit], lambda device: device is self.unit)

    def advertise(self, device: Device, t_ms: int, interval_ms: int = INTERVAL_MS) -> None:
        self.air.advertise(device, t_ms, struct.pack("<I", interval_ms * 1000) + ADVERTISEMENT)

    def scan(self, device: Device, t_ms: int, duration_ms: int, interval_ms: int = 100, window_ms: int = 100) -> None:
        self.air.scan(device, t_ms, struct.pack("<III", duration_ms, interval_ms * 1000, window_ms * 1000))

    def heard(self, device: Device, upto_ms: int) -> list[Item]:
        self.air.coupled(device, 0)
        self.air.fill(device, upto_ms)
        return inbox(device)


def test_a_tag_hears_its_home_unit_once_an_interval_with_the_standards_jitter():
    field = Field()
    field.advertise(field.unit, 0)
    field.scan(field.tag, 0, 60_000)
    items = field.heard(field.tag, 60_000)
    assert 195 <= len(items) <= 200
    assert all(item.channel == ch.BLE_HEARD and item.payload[7:] == ADVERTISEMENT for item in items)
    assert {item.payload[:6] for item in items} == {b"\x02" + (0x02000001).to_bytes(5, "big")}
    # Nominal moments 0, 300, 600 …; each packet leaves up to 10 ms later and is reported 1 ms after that.
    late = [item.t_ms % INTERVAL_MS - 1 for item in items]
    assert min(late) >= 0 and max(late) <= 10 and len(set(late)) > 5


def test_the_level_is_the_worlds_for_that_very_moment():
    field = Field()
    field.advertise(field.unit, 0)
    field.scan(field.tag, 0, 5_000)
    for item in field.heard(field.tag, 5_000):
        (level,) = struct.unpack("b", item.payload[6:7])
        assert level == -60 - (item.t_ms - 1) % 7


def test_only_who_scans_hears_and_only_within_its_windows():
    field = Field()
    field.advertise(field.unit, 0, 100)
    assert field.heard(field.tag, 5_000) == []
    field.scan(field.tag, 6_000, 600)
    items = field.heard(field.tag, 20_000)
    assert items and all(6_000 < item.t_ms <= 6_600 for item in items)

    field = Field()
    field.advertise(field.unit, 0, 100)
    field.scan(field.tag, 0, 60_000, interval_ms=1000, window_ms=200)
    items = field.heard(field.tag, 60_000)
    assert items and all(item.t_ms % 1000 < 200 for item in items)


def test_nobody_hears_itself_nor_who_is_silent_nor_who_is_too_far():
    field = Field()
    field.advertise(field.unit, 0)
    field.scan(field.unit, 0, 60_000)
    assert field.heard(field.unit, 60_000) == []

    field = Field()
    field.advertise(field.unit, 0)
    field.air.silence(field.unit, 10_000)
    field.scan(field.tag, 0, 60_000)
    assert max(item.t_ms for item in field.heard(field.tag, 60_000)) <= 10_001

    field = Field(lambda t_ms: 5_000.0)
    field.advertise(field.unit, 0)
    field.scan(field.tag, 0, 60_000)
    assert field.heard(field.tag, 60_000) == []
    assert field.asked == [], "whoever cannot reach another is not asked about"


def test_two_that_are_far_apart_are_free_of_each_other_until_they_could_have_met():
    field = Field(lambda t_ms: max(0.0, 1000.0 - t_ms / 1000 * 40))  # towards each other at 40 m/s
    peers, clear_ms = field.air.coupled(field.tag, 0)
    assert peers == [] and 0 < clear_ms <= 22_500, "in range after 22.5 s"
    asked = 0
    t_ms = clear_ms
    while not (peers := field.air.coupled(field.tag, t_ms)[0]):
        t_ms = field.air.coupled(field.tag, t_ms)[1]
        asked += 1
        assert asked < 50
    assert peers == [field.unit] and t_ms <= 22_501 + 5_000


@given(
    st.lists(st.integers(1, 40_000), max_size=12),
    st.sampled_from([100, 211, 1000]),
    st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from([0, 100, 640])), max_size=5),
    st.integers(0, 3),
)
def test_what_is_heard_does_not_depend_on_the_slices(cuts: list[int], interval_ms: int, changes: list, seed: int):
    def field() -> Field:
        made = Field(seed=seed)
        made.advertise(made.unit, 0, interval_ms)
        for t_ms, changed_ms in sorted(changes):
            made.advertise(made.unit, t_ms, changed_ms)
        made.scan(made.tag, 500, 30_000, interval_ms=1000, window_ms=700)
        return made

    one, other = field(), field()
    whole = one.heard(one.tag, 40_000)
    for cut in sorted(cuts):
        other.heard(other.tag, cut)
    assert other.heard(other.tag, 40_000) == whole


@given(
    st.lists(st.tuples(st.integers(1, 9_000), st.sampled_from([0, 100, 640])), min_size=1, max_size=5),
    st.lists(st.integers(1, 4_000), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 3_000)), max_size=3),
)
def test_what_was_told_ahead_is_taken_back_when_somebody_says_something_else(changes: list, ahead: list, scans: list):
    """Told as far ahead as you like, what is heard in the end is what would have been heard step by step."""

    def live(looks_ahead: bool) -> list[Item]:
        field = Field()
        field.scan(field.tag, 0, 0)
        acts = sorted([(t_ms, 0, value) for t_ms, value in changes] + [(t_ms, 1, value) for t_ms, value in scans])
        for i, (t_ms, kind, value) in enumerate(acts):
            field.heard(field.tag, t_ms + (ahead[i % len(ahead)] if looks_ahead else 0))
            if kind:
                field.scan(field.tag, t_ms, value)
            else:
                field.advertise(field.unit, t_ms, value)
        return field.heard(field.tag, 15_000)

    assert live(True) == live(False)
