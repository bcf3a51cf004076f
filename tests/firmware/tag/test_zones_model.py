"""Confirmation, hysteresis and schedules against a second telling of them in plain words; and nothing leaves 32 bits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.orders.zonemap import Circle, Zone
from tests.firmware.core.words import Words
from tests.firmware.tag.zone_field import KINDS, START, Field, circle, place

ZONE_M = 200
SPAN = (START + 300, START + 900)

NORTHS = st.sampled_from((0, 120, 150, 170, 179, 183, 190, 205, 210, 221, 229, 231, 250, 400, 3000))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fix"), NORTHS, st.sampled_from((5, 20, 40)), st.sampled_from((15, 29, 60, 200))),
        st.tuples(st.just("tick"), st.sampled_from((0, 1, 30, 100)), st.none(), st.none()),
        st.tuples(st.just("forget"), st.none(), st.none(), st.none()),
        st.tuples(st.just("start"), st.none(), st.none(), st.none()),
    ),
    max_size=40,
)


class Told:
    """What is to be told of one circle: history kept as lists, no counters, no bits."""

    def __init__(self, confirm, dwell_s, scheduled):
        self.confirm, self.dwell_s, self.scheduled = confirm, dwell_s, scheduled
        self.start()

    def start(self):
        self.side, self.run, self.known, self.is_told = None, [], False, False

    def active(self, now):
        return not self.scheduled or SPAN[0] <= now < SPAN[1]

    def fix(self, north, radius, now):
        self.known = True
        if not self.active(now):
            self.is_told = False
        saw = None
        for side, clear in ((True, ZONE_M - north), (False, north - ZONE_M)):
            if clear >= 0 and clear > radius * (1.5 if self.side is (not side) else 1):
                saw = side
        if saw is None:
            return None
        if saw is self.side:
            self.run = []
        else:
            self.run = [each for each in self.run if each[0] is saw] + [(saw, now)]
            long = self.dwell_s and len(self.run) > 1 and now - self.run[0][1] >= self.dwell_s
            if len(self.run) >= self.confirm or long:
                self.side, self.run, self.is_told = saw, [], False
        return self.tell(now) if saw is self.side else None

    def tell(self, now):
        if not self.active(now):
            self.is_told = False
        if self.side is None or self.is_told or not self.active(now) or not self.known:
            return None
        self.is_told = True
        return self.side


@settings(max_examples=500)
@given(STEPS, st.integers(1, 5), st.sampled_from((0, 30, 60)), st.booleans(), st.sampled_from(sorted(KINDS.values())))
def test_it_tells_what_the_words_say(steps, confirm, dwell_s, scheduled, kind):
    zone = circle(7, kind, ZONE_M, confirm=confirm, intervals=[SPAN] if scheduled else [])
    field = Field([circle(1, north_m=50_000), zone], dwell_s=dwell_s)
    model = Told(confirm, dwell_s, scheduled)
    for what, first, radius, after in steps:
        if what == "fix":
            told, expected = field.fix(first, radius, after), model.fix(first, radius, field.now)
        elif what == "tick":
            told, expected = field.tick(first), model.tell(field.now)
        else:
            told, expected = [], None
            if what == "forget":
                field.zones.forget()
                model.known = False
            else:
                field.start()
                model.start()
        assert [each for each in told if each[0] == 7] == ([] if expected is None else [(7, expected)])
        wrong = kind == "exclusion"
        # What waits to be confirmed is looked at as closely as what is confirmed.
        away = kind != "home" and (model.side is wrong or (bool(model.run) and model.run[-1][0] is wrong))
        if what in ("fix", "tick"):
            assert field.zones.in_violation == (away and model.active(field.now))


class Read:
    """The buffer of points as machine code reads it."""

    def __init__(self, buf):
        self.buf = buf

    def __getitem__(self, index):
        assert index >= 0
        return Words.of(self.buf[index])


LATS = st.floats(-84, 84)
LONS = st.one_of(st.floats(-180, 180), st.sampled_from((180.0, -180.0, 179.9999)))
FIXES = st.lists(
    st.tuples(st.integers(-900_000_000, 900_000_000), st.integers(-1_800_000_000, 1_800_000_000), st.integers(1, 70_000)),
    max_size=4,
)


@settings(max_examples=300)
@given(
    LATS, LONS, st.floats(1, 20_000), st.lists(st.tuples(st.integers(-9000, 9000), st.integers(-9000, 9000)), max_size=6), FIXES
)
def test_nothing_leaves_32_bits_wherever_the_zone_and_the_fix_are(lat, lon, radius_m, near, far):
    box = [(lat + y / 100, (lon + x / 100 + 180) % 360 - 180) for y, x in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    field = Field([Zone(1, "exclusion", Circle(lat, lon, radius_m)), Zone(2, "inclusion", box), Zone(65535, "home", box)])
    zones = field.zones
    zones._state = Words(zones._state)  # type: ignore
    zones._points = Read(zones._points)  # type: ignore
    some = [
        (round(lat * 1e7) + y * 30, (round(lon * 1e7) + x * 30 + 1_800_000_000) % 3_600_000_000 - 1_800_000_000, 50)
        for y, x in near
    ]
    for y, x, radius_dm in some + far:
        zones.check(Words((y, x)), radius_dm, START)  # type: ignore
        zones.is_home(Words((y, x)), radius_dm)  # type: ignore
        zones.tick(START + 1)


def test_the_limits_of_time_are_no_harm():
    field = Field([circle(confirm=1, intervals=[(0, 1), (0x7FFFFFFF, 0xFFFFFFFF)])])
    for now in (0, 1, 0x3FFFFFFF, 0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, -5, START):
        field.now = now
        field.tick()
        field.fix(0, after_s=0)


def test_a_place_in_metres_is_where_it_should_be():
    assert place(0) == (50.7154, -2.4367)
