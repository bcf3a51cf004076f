"""Ordinary days in the simulated town: no wearer is told to be jammed, shielded, spoofed or thrown about by a jump.

The world's own sky, streets, rooms, network and home units, the receiver's own NMEA through the firmware's decoder; a receiver
that rests at home and looks once an hour at rest, as the tracker does.
"""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.core.gnss import Receiver as Decoder
from firmware.core.record import JAM_ENDED, JAMMED, SHIELD_ENDED, SHIELDED, SPOOFED
from firmware.tag.jump import Jump, Spoof
from sim.scenario import load
from sim.world import World
from sim.world.spec import CoverageLoss, Trouble, TroubleKind
from tests.firmware.tag.blocking import WRAP, Heard, Life

DEMO = Path(__file__).parents[3] / "sim" / "scenarios" / "demo.yaml"
DAY_S = 86_400
DEVICE = 0x01000001


class Ankle:
    """What a wearer's tag hears in the world, second by second; what is slow to work out is worked out only when asked for."""

    def __init__(self, world: World, wearer_id: str) -> None:
        self.world = world
        self.wearer = world.wearers[wearer_id]
        self.receiver = world.receiver(DEVICE + len(wearer_id))
        self.decoder = Decoder(self._take)
        self.life: Life | None = None
        self.jump = Jump()
        self.spoof: Spoof | None = None
        self.told: list[tuple[int, int]] = []
        self.held = self.fixes = 0
        self._last_fix_ms: int | None = None
        self._sky = (-1, -1, -1, False, -1)
        self._coverage = (-1, True)
        self._changes_s = -1

    def start(self, seed: int, **more) -> Life:
        self.life = Life(self.hear, random.Random(seed).randrange(WRAP), **more)
        self.spoof = spoof = Spoof(self.life.motion)
        self.life.suspects = lambda: spoof.suspects
        return self.life

    def _take(self, fix) -> None:
        life, spoof = self.life, self.spoof
        assert life is not None and spoof is not None
        self._sky = (fix.cn0_max, fix.heard, fix.in_view, fix.valid, fix.speed_cms)
        if fix.valid and fix.radius_dm > 0:
            now = (life.start + life.s * 1000) % WRAP
            self.fixes += 1
            self.held += not self.jump.accepts(fix.pos, fix.radius_dm, now)
            if code := spoof.fix(fix.pos, fix.radius_dm, fix.speed_cms, now):
                self.told.append((life.s, code))

    def hear(self, s: int) -> Heard:
        t_ms = s * 1000
        life = self.life
        assert life is not None
        if s >= self._changes_s:
            self.truth = self.wearer.truth(t_ms)
            # between two changes a stay is a stay
            self._changes_s = self.world.next_change(self.wearer.id, t_ms) // 1000 if self.truth.speed_mps == 0 else s + 1
        truth = self.truth
        if self._coverage[0] != s // 10:
            self._coverage = (s // 10, self.world.has_coverage(self.wearer.tag, t_ms))
        beacon = None
        if s % 10 == 0 and self.wearer.home_unit and (truth.place == self.wearer.home.name or not truth.indoors):
            level = self.world.tag_to_home_unit_dbm(self.wearer.tag, self.wearer.home_unit, 0.0, t_ms)
            beacon = None if level is None else math.floor(level)
        if life._on_since >= 0 and s > life._on_since:
            age = None if self._last_fix_ms is None else t_ms - self._last_fix_ms
            now_truth = truth._replace(sky_for_ms=self.wearer.truth(t_ms).sky_for_ms)
            start_ms = self.world.start_utc_ms
            wrong = self.world.reception(self.wearer.tag, now_truth, t_ms)
            data = self.receiver.epoch(start_ms + t_ms, now_truth, start_ms + life._on_since * 1000, age, wrong)
            self.decoder.feed(data, len(data))
            self.decoder.idle()
            if self._sky[3]:
                self._last_fix_ms = t_ms
        cn0, heard, in_view, valid, speed = self._sky
        return Heard(cn0, heard, in_view, valid, speed, truth.speed_mps > 0.3, self._coverage[1], beacon)


def lived(seeds: range, days: int) -> tuple[float, int, int, list]:
    """(wearer-days, fixes, fixes held back, what was told)."""
    total, fixes, held, told = 0.0, 0, 0, []
    for seed in seeds:
        rng = random.Random(seed)
        spec = load(DEMO).world_spec()
        starts = [rng.randrange(days * DAY_S) * 1000 for _ in range(3 * days)]
        outages = tuple(CoverageLoss(None, at, at + rng.randrange(60, 7200) * 1000) for at in starts)
        world = World(replace(spec, seed=seed, coverage_losses=outages))
        for wearer_id in world.wearers:
            ankle = Ankle(world, wearer_id)
            life = ankle.start(seed, proof_s=rng.choice([30, 60, 300]), lost_s=rng.choice([10, 60, 300]))
            life.live(days * DAY_S)
            total += days
            fixes += ankle.fixes
            held += ankle.held
            told += [(seed, wearer_id, *what) for what in life.told + ankle.told]
    return total, fixes, held, told


def test_two_weeks_of_ordinary_days_are_told_as_nothing():
    days, fixes, held, told = lived(range(1), 3)
    assert told == [] and held == 0 and days >= 10 and fixes > 1000


def attacked(kind: TroubleKind, seed: int, place: str, **how) -> tuple[int | None, list]:
    """Seconds from an attack in the second hour of a stay until it is told, and all that was told until three hours after it."""
    spec = load(DEMO).world_spec()
    world = World(replace(spec, seed=seed))
    rng = random.Random(seed)
    for wearer_id, wearer in world.wearers.items():
        for s in range(0, 3 * DAY_S, 600):
            truth = wearer.truth(s * 1000)
            home = truth.place == wearer.home.name
            stays = world.next_change(wearer_id, s * 1000) // 1000 - s
            if truth.place and stays > 5 * 3600 and home == (place == "home") and s > 8 * 3600:
                begin = s + rng.randrange(3600, 7200)
                trouble = Trouble(kind, wearer_id, begin * 1000, (begin + 7200) * 1000, **how)
                ankle = Ankle(World(replace(spec, seed=seed, troubles=(trouble,))), wearer_id)
                life = ankle.start(seed)
                life.live(begin + 7200 + 10_800)
                told = sorted([(at, code) for at, code, *_ in life.told] + ankle.told)
                return next((at - begin for at, code in told if at >= begin), None), [code for _, code in told]
    raise AssertionError("nobody stays anywhere")


@pytest.mark.parametrize("place", ["work", "home"])
def test_foil_in_the_world_is_told_and_its_end_as_well(place: str):
    for seed in (1, 2):
        delay, codes = attacked("shield", seed, place)
        assert codes == [SHIELDED, SHIELD_ENDED] and delay is not None and delay < 3600 + 900


def test_jamming_in_the_world_is_told_and_its_end_as_well():
    for seed in (1, 2):
        delay, codes = attacked("jam", seed, "work", fall_db=22.0, ramp_ms=5000)
        assert codes == [JAMMED, JAM_ENDED] and delay is not None and delay < 3600 + 600


def test_a_false_position_in_the_world_is_told_and_its_end_as_well():
    for seed in (1, 2):
        delay, codes = attacked("spoof", seed, "work", jump_m=900.0, bearing_deg=70.0)
        assert codes[:1] == [SPOOFED] and delay is not None and delay < 7200


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_ordinary_days_are_told_as_nothing():
    days, fixes, held, told = lived(range(100, 117), 3)
    print(f"{days:.0f} wearer-days, {fixes} fixes, {held} held back, told {told}")
    assert told == [] and held == 0 and days >= 200
