"""Jamming and foil are told, with their evidence and their end; whoever goes where nothing is heard is not suspected."""

import random

import pytest

from firmware.core.record import JAM_ENDED, JAMMED, SHIELD_ENDED, SHIELDED
from firmware.tag.detect import Motion
from tests.firmware.tag.blocking import WRAP, Heard, Life

OPEN, ROOM = (41, 10), (33, 6)


def codes(life: Life) -> list[int]:
    return [code for _, code, _, _ in life.told]


def jammed(place: tuple[int, int], fall_db: int, begin: int, end: int, **more):
    cn0, heard = place

    def hear(s: int) -> Heard:
        if not begin <= s < end:
            return Heard(cn0, heard, **more)
        left = max(0, cn0 - fall_db)
        return Heard(left, round(heard * max(0, left - 20) / (cn0 - 20)), valid=fall_db < 15, **more)

    return hear


# Motion


def test_motion_adds_up_and_fades():
    motion = Motion(False, WRAP - 1000)
    motion.update(True, 4000)
    assert (motion.still_ms, motion.walk_ms) == (5000, 0)
    motion.update(False, 24_000)
    assert (motion.still_ms, motion.walk_ms, motion.moved_since(0)) == (0, 20_000, 20_000)
    motion.update(False, 54_000)
    assert (motion.still_ms, motion.walk_ms, motion.moved_since(0)) == (30_000, 10_000, 20_000)


# Jamming


@pytest.mark.parametrize("fall_db", [12, 16, 25])
def test_a_jammer_beside_a_tag_at_rest_is_told_within_minutes_of_the_next_fix_and_its_end_too(fall_db: int):
    life = Life(jammed(OPEN, fall_db, 7000, 12_000))
    life.live(20_000)
    assert codes(life) == [JAMMED, JAM_ENDED]
    at, _, fall, view = life.told[0]
    # at rest it looks once an hour, and then as often as for a moving wearer
    assert at - 7000 <= 3600 + 600 and abs(fall - fall_db) <= 4 and view == 17 << 16 | 17
    assert 0 < life.told[1][0] - 12_000 <= 3600 + 300


@pytest.mark.parametrize("fall_db", [16, 25])
def test_a_jammer_in_a_room_is_told_while_the_last_look_is_fresh(fall_db: int):
    life = Life(jammed(ROOM, fall_db, 500, 6000))
    life.live(9000)
    assert codes(life) == [JAMMED, JAM_ENDED] and life.told[0][0] <= 1000


def test_a_wearer_who_has_just_sat_down_is_watched_closely():
    delays = []
    for seed in range(60):
        rng = random.Random(seed)
        begin = rng.randrange(1060, 1400)
        inner = jammed(OPEN, rng.choice([12, 15, 20, 25]), begin, begin + 5000)

        def hear(s: int, inner=inner) -> Heard:
            heard = inner(s)
            heard.moving = s < 880
            return heard

        life = Life(hear, rng.randrange(WRAP))
        life.live(3000)
        assert codes(life) == [JAMMED]
        delays.append(life.told[0][0] - begin)
    assert sorted(delays)[30] <= 180 and max(delays) <= 480


def test_a_jammer_of_less_than_ten_decibels_is_not_told():
    life = Life(jammed(OPEN, 8, 1000, 20_000))
    life.live(25_000)
    assert codes(life) == []


def test_without_a_word_from_the_network_nobody_speaks_of_jamming():
    inner = jammed(OPEN, 25, 1000, 6000)

    def hear(s: int) -> Heard:
        heard = inner(s)
        heard.network = s < 300
        return heard

    life = Life(hear)
    life.live(6000)
    assert codes(life) == []


def test_all_satellites_in_view_gone_within_seconds_is_jamming_on_the_move_as_well():
    def hear(s: int) -> Heard:
        if s < 1000 or s > 3000:
            return Heard(41, 10, 17, valid=s < 900 or s > 3000, moving=True, speed_cms=120)
        return Heard(0, 0, 0, valid=False, moving=True)

    life = Life(hear)
    life.live(4000)
    assert codes(life) == [JAMMED, JAM_ENDED] and life.told[0][0] < 1400


# Shielding


def foil(begin: int, end: int, place=OPEN, home: bool = False, wrap_s: int = 10):
    def hear(s: int) -> Heard:
        moving = begin - wrap_s <= s < begin
        beacon = -65 if home else None
        if begin <= s < end:
            return Heard(0, 0, 17, valid=False, network=False)
        return Heard(*place, moving=moving, network=True, beacon_dbm=beacon)

    return hear


@pytest.mark.parametrize("place", [OPEN, ROOM])
@pytest.mark.parametrize("lost_s", [10, 60, 300])
def test_foil_around_a_tag_at_rest_is_told_and_its_end_too(place, lost_s: int):
    life = Life(foil(5000, 9000, place), proof_s=lost_s, lost_s=lost_s)
    life.live(12_000)
    assert codes(life) == [SHIELDED, SHIELD_ENDED]
    at, _, cn0, seconds = life.told[0]
    assert at - 5000 <= lost_s + 600 and abs(cn0 - place[0]) <= 4 and seconds >= 180


def test_foil_at_home_is_told_though_receiver_and_modem_were_asleep():
    life = Life(foil(8000, 12_000, home=True))
    life.live(15_000)
    assert codes(life) == [SHIELDED, SHIELD_ENDED] and life.told[0][0] - 8000 <= 600


def test_a_home_unit_that_dies_is_no_foil_while_a_network_or_the_sky_is_heard():
    for sky, network in ((True, True), (True, False), (False, True)):

        def hear(s: int, sky=sky, network=network) -> Heard:
            if s < 8000:
                return Heard(35, 7, beacon_dbm=-65)
            return Heard(35 if sky else 0, 7 if sky else 0, valid=sky, network=network)

        life = Life(hear)
        life.live(20_000)
        assert codes(life) == [], (sky, network)


def test_a_home_where_the_modem_never_worked_is_never_foil():
    def hear(s: int) -> Heard:
        return Heard(0, 0, valid=False, network=s < 500, beacon_dbm=-65 if 1000 < s < 8000 else None)

    life = Life(hear)
    life.live(20_000)
    assert codes(life) == []


# What is ordinary

CN0_OF = {"open": (38, 44), "street": (33, 40), "room": (27, 38), "deep": (16, 26), "cellar": (0, 0)}
HEARD_OF = {"open": (8, 14), "street": (5, 10), "room": (3, 8), "deep": (0, 2), "cellar": (0, 0)}


class HardDay:
    """A day of what takes signals away: stretches of (seconds, sky, network, motion, speed), one after another.

    Walking to each of them, as everybody does: some seconds at least on his feet, or riding.
    """

    def __init__(self, seed: int) -> None:
        rng = self._rng = random.Random(seed)
        self.parts: list[tuple[int, str, bool, float, int]] = []
        while sum(p[0] for p in self.parts) < 16 * 3600:
            self.parts.append((rng.randrange(60, 900), rng.choice(["open", "street"]), True, 0.9, 130))
            if rng.random() < 0.4:
                self.parts.append((rng.randrange(20, 400), "open", True, 0.02, 10))  # waits for the bus, the lift, a friend
                self.parts.append((rng.randrange(5, 20), "open", True, 1.0, 100))
            getattr(self, rng.choice(["bus", "metro", "lift", "shop", "cellar", "work", "train", "garage", "bed"]))(rng)
        self._starts = []
        at = 0
        for part in self.parts:
            self._starts.append(at)
            at += part[0]
        self.length = at
        self._i = 0
        self._until = 0
        self._moving = False
        self._sky = (41, 10, True)
        self._sky_until = 0

    def bus(self, rng):
        for _ in range(rng.randrange(2, 12)):
            self.parts.append((rng.randrange(30, 200), "street", True, 0.95, 900))
            self.parts.append((rng.randrange(10, 40), "street", True, 0.3, 0))
            if rng.random() < 0.2:
                self.parts.append((rng.randrange(15, 240), "cellar", rng.random() < 0.5, 0.95, 900))  # a tunnel

    def metro(self, rng):
        self.parts.append((rng.randrange(20, 60), "deep", True, 1.0, 100))
        self.parts.append((rng.randrange(120, 400), "cellar", rng.random() < 0.5, 0.3, 0))
        self.parts.append((rng.randrange(300, 3000), "cellar", rng.random() < 0.5, 0.7, 0))

    def lift(self, rng):
        self.parts.append((rng.randrange(20, 60), "room", True, 1.0, 100))
        self.parts.append((rng.randrange(10, 120), "room", True, 0.1, 0))
        self.parts.append((rng.randrange(4, 8), "room", True, 1.0, 100))
        self.parts.append((rng.randrange(10, 90), "cellar", False, 0.1, 0))
        self.parts.append((rng.randrange(4, 30), rng.choice(["room", "deep", "cellar"]), rng.random() < 0.7, 1.0, 100))
        self.parts.append((rng.randrange(60, 3000), rng.choice(["room", "deep"]), True, 0.3, 30))

    def shop(self, rng):
        self.parts.append((rng.randrange(600, 4000), rng.choice(["deep", "cellar", "room"]), rng.random() < 0.7, 0.6, 40))

    def cellar(self, rng):
        self.parts.append((rng.randrange(20, 40), "room", True, 1.0, 80))
        self.parts.append((rng.randrange(300, 6000), "cellar", rng.random() < 0.3, rng.choice([0.02, 0.4]), 0))

    def work(self, rng):
        for _ in range(rng.randrange(1, 6)):
            self.parts.append((rng.randrange(600, 6000), rng.choice(["room", "deep"]), rng.random() < 0.8, 0.05, 0))
            self.parts.append((rng.randrange(40, 200), rng.choice(["room", "deep"]), rng.random() < 0.8, 0.9, 60))

    def train(self, rng):
        for _ in range(rng.randrange(2, 20)):
            self.parts.append((rng.randrange(60, 600), "street", rng.random() < 0.7, rng.choice([0.02, 0.4]), 3500))
            self.parts.append((rng.randrange(10, 300), "cellar", rng.random() < 0.4, rng.choice([0.02, 0.4]), 3500))

    def garage(self, rng):
        self.parts.append((rng.randrange(120, 1500), "open", True, 0.95, 1400))
        self.parts.append((rng.randrange(30, 90), "cellar", rng.random() < 0.5, 0.9, 300))
        self.parts.append((rng.randrange(100, 9000), rng.choice(["cellar", "room"]), rng.random() < 0.6, 0.3, 60))

    def bed(self, rng):
        self.parts.append((rng.randrange(1800, 9000), rng.choice(["room", "deep"]), rng.random() < 0.9, 0.01, 0))

    def hear(self, s: int) -> Heard:
        rng = self._rng
        while self._i + 1 < len(self.parts) and s >= self._starts[self._i + 1]:
            self._i += 1
            self._until = self._sky_until = s
        _, place, network, share, speed = self.parts[self._i]
        if s >= self._until:
            self._moving = rng.random() < share
            self._until = s + rng.randrange(3, 25)
        if s >= self._sky_until:
            self._sky = (
                rng.randint(*CN0_OF[place]),
                rng.randint(*HEARD_OF[place]),
                place in ("open", "street") or rng.random() < 0.2,
            )
            if place == "cellar":
                self._sky = (0, 0, False)
            self._sky_until = s + rng.randrange(5, 60)
        cn0, heard, valid = self._sky
        return Heard(cn0, heard, 17, valid, speed if valid else -1, self._moving, network)


@pytest.mark.parametrize("first", [0, pytest.param(30, marks=pytest.mark.slow)])
def test_cellars_lifts_tunnels_trains_and_shops_are_neither_jamming_nor_foil(first: int):
    """60 days worse than anybody's, of 16 hours."""
    seconds = 0
    for seed in range(first, first + 30):
        day = HardDay(seed)
        life = Life(day.hear, random.Random(seed).randrange(WRAP), proof_s=random.Random(seed).choice([20, 60, 300]))
        life.live(day.length)
        seconds += day.length
        assert codes(life) == [], (seed, life.told)
    assert seconds > 30 * 16 * 3600
