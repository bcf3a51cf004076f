"""A GNSS receiver on the wearer's ankle, modelled on a Quectel L76K: what it prints each second, as a plain function of time.

Truth in, NMEA 0183 4.10 out. `Receiver.epoch` depends on its arguments and the seed alone, so epochs may be asked for in any
order, and a time may be asked for twice. No time is kept inside; the caller says since when the receiver is on and how old its
last valid fix is.

Acquisition (u-blox M10 and L76K data sheets, firmware.md): cold 23-29 s, warm 15-22 s (last fix more than 4 h ago), hot 1 s
(1.0-1.9 s here), counted from switching on or from coming out of a building, whichever is later. Nothing is acquired
indoors from cold; a hot receiver indoors has a poor fix about a fifth of the time.

Error (firmware.md), each axis, on top of a slow bias of 1.0 m with a correlation time of 20 min:
open sky sigma 2 m, tau 60 s; street canyon sigma 8-15 m (drawn each 5 min), tau 60 s, plus jumps of 20-50 m that last
10-40 s and take about 8 % of the time; between the two in proportion to `Truth.canyon`; indoors a fix is 20-80 m off.
The noise and its autocorrelation: `hashing.Noise`.
"""

import math

from .hashing import Noise, bits, stream, uniform
from .sentences import FALSE, INSIDE, Sentences, sentence, sky_of
from .sky import Sky
from .trouble import Reception
from .wearer import Truth

BOOT_MS = 350  # nothing is printed before this
HOT_MS = 4 * 3600 * 1000
OPEN_SIGMA_M, OPEN_TAU_MS = 2.0, 60_000
CANYON_SIGMA_M, CANYON_TAU_MS = (8.0, 15.0), 60_000
BIAS_SIGMA_M, BIAS_TAU_MS = 1.0, 1_200_000
JUMP_M, JUMP_EVERY_MS, JUMP_CHANCE = (20.0, 50.0), 60_000, 0.19
INDOOR_M, INDOOR_TAU_MS, INDOOR_BLOCK_MS, INDOOR_CHANCE = (20.0, 80.0), 120_000, 90_000, 0.2
JAM_LOST_DB = 18  # C/N0 that far down, no fix is held: about 20 dB-Hz is left of 38 (our judgement; falls of 10-25 dB are told)
SPOOF_LOCK_MS = 5_000  # a stronger signal takes a receiver over within this (our judgement)
_WEEKS_1024_MS = 1024 * 7 * 86_400_000
# What `says` stands for: the shift of the date that is printed. A rollover is 1024 weeks.
_DATE_SHIFT_MS = {"rollover": -_WEEKS_1024_MS, "future": 2 * _WEEKS_1024_MS}
_EPOCH_1980_MS = 315_964_800_000
_LAT_PER_M = 1 / 111_195.0


class Receiver:
    """One receiver. `rates` says each how many epochs a sentence comes (0 never), as `$PCAS03` sets it on an L76K."""

    def __init__(self, seed: int, device_id: int, sky: Sky | None = None) -> None:
        self.device_id = device_id
        self.rates = {"GGA": 1, "GSA": 1, "GSV": 1, "RMC": 1, "VTG": 0}
        self._sky = sky or Sky(seed)
        self._open = Noise(stream(seed, "gnss", device_id, "open"), OPEN_TAU_MS)
        self._street = Noise(stream(seed, "gnss", device_id, "canyon"), CANYON_TAU_MS)
        self._bias = Noise(stream(seed, "gnss", device_id, "bias"), BIAS_TAU_MS)
        self._inside = Noise(stream(seed, "gnss", device_id, "inside"), INDOOR_TAU_MS)
        self._height = Noise(stream(seed, "gnss", device_id, "height"), OPEN_TAU_MS)
        self._speed = Noise(stream(seed, "gnss", device_id, "speed"), 2_000)
        self._key = stream(seed, "gnss", device_id, "draws")
        self._sentences = Sentences(stream(seed, "gnss", device_id, "strength"))

    def ttff_ms(self, started_ms: int, last_fix_age_ms: int | None) -> int:
        """The time to first fix of a start at started_ms (any clock) under an open sky."""
        draw = uniform(self._key, started_ms)
        if last_fix_age_ms is None:
            return round(23_000 + 6_000 * draw)
        if last_fix_age_ms > HOT_MS:
            return round(15_000 + 7_000 * draw)
        return round(1_000 + 900 * draw)

    def has_fix(
        self, t_utc_ms: int, truth: Truth, on_since_ms: int, last_fix_age_ms: int | None, wrong: Reception | None = None
    ) -> bool:
        """Whether the epoch of these arguments is valid (the arguments of `epoch`)."""
        if wrong is not None:
            if wrong.silent or wrong.garbage:
                return False
            if wrong.false_m is not None:
                return t_utc_ms - on_since_ms >= SPOOF_LOCK_MS
            if wrong.loss_db >= JAM_LOST_DB:
                return False
        if truth.indoors:
            if last_fix_age_ms is None or last_fix_age_ms > HOT_MS:
                return False
            if t_utc_ms - on_since_ms < self.ttff_ms(on_since_ms, last_fix_age_ms):
                return False
            return uniform(self._key, ~(t_utc_ms // INDOOR_BLOCK_MS)) < INDOOR_CHANCE
        started = max(on_since_ms, t_utc_ms - truth.sky_for_ms)
        return t_utc_ms - started >= self.ttff_ms(started, last_fix_age_ms)

    def error_m(self, t_utc_ms: int, indoors: bool, canyon: float) -> tuple[float, float]:
        """The error east and north of a fix at that time."""
        bias_e, bias_n = self._bias.at(t_utc_ms)
        east, north = BIAS_SIGMA_M * bias_e, BIAS_SIGMA_M * bias_n
        if indoors:
            block = t_utc_ms // (5 * INDOOR_BLOCK_MS)
            size = uniform(self._key, block * 8 + 1, *INDOOR_M)
            ie, in_ = self._inside.at(t_utc_ms)
            angle = math.atan2(in_, ie)
            return east + size * math.cos(angle), north + size * math.sin(angle)
        oe, on = self._open.at(t_utc_ms)
        share = OPEN_SIGMA_M * (1 - canyon)
        east, north = east + share * oe, north + share * on
        if canyon > 0:
            ce, cn = self._street.at(t_utc_ms)
            sigma = canyon * uniform(self._key, (t_utc_ms // 300_000) * 8 + 2, *CANYON_SIGMA_M)
            je, jn = self._jump(t_utc_ms)
            east, north = east + sigma * ce + canyon * je, north + sigma * cn + canyon * jn
        return east, north

    def _jump(self, t_utc_ms: int) -> tuple[float, float]:
        block, within = divmod(t_utc_ms, JUMP_EVERY_MS)
        key = self._key
        if uniform(key, block * 8 + 3) >= JUMP_CHANCE:
            return 0.0, 0.0
        z = bits(key, block * 8 + 4)
        length = 10_000 + (z & 0xFFFF) * 30_000 // 0xFFFF
        start = ((z >> 16) & 0xFFFF) * (JUMP_EVERY_MS - length) // 0xFFFF
        if not start <= within < start + length:
            return 0.0, 0.0
        size = JUMP_M[0] + (JUMP_M[1] - JUMP_M[0]) * ((z >> 32) & 0xFFFF) / 0xFFFF
        angle = math.tau * (z >> 48) / 65536
        return size * math.cos(angle), size * math.sin(angle)

    def epoch(
        self, t_utc_ms: int, truth: Truth, on_since_ms: int, last_fix_age_ms: int | None, wrong: Reception | None = None
    ) -> bytes:
        """The sentences of the epoch at t_utc_ms (UTC since 1970; the receiver's are at whole seconds).

        `on_since_ms`: when the receiver was switched on, same clock. `last_fix_age_ms`: how long before t_utc_ms this receiver
        last had a valid fix, None if never (cold). Empty while it boots. `wrong`: what is done to what it hears.
        """
        if t_utc_ms - on_since_ms < BOOT_MS:
            return b""
        loss_db, says = 0, ""
        state = INSIDE if truth.indoors else sky_of(truth.canyon)
        if wrong is not None:
            if wrong.silent:
                return b""
            if wrong.garbage:
                return self._garbage(t_utc_ms)
            loss_db, says = wrong.loss_db, wrong.says
            if wrong.false_m is not None:
                state = FALSE
        satellites = self._sky.at(t_utc_ms)
        if not self.has_fix(t_utc_ms, truth, on_since_ms, last_fix_age_ms, wrong):
            clock = last_fix_age_ms is not None  # it keeps the time while its backup supply is on
            return self._sentences.without_fix(t_utc_ms, clock, state, satellites, self.rates, loss_db)
        east, north = self.error_m(t_utc_ms, truth.indoors, truth.canyon)
        if wrong is not None:
            if wrong.false_m is not None:
                east, north = wrong.false_m
            worse = 1 + loss_db / 6  # a weak signal is a noisy one
            east, north = east * worse, north * worse
        lat = truth.lat + north * _LAT_PER_M
        lon = truth.lon + east * _LAT_PER_M / math.cos(truth.lat * 0.017453292519943295)
        up = self._height.at(t_utc_ms)[0]
        ds, dc = self._speed.at(t_utc_ms)
        speed = abs(truth.speed_mps + ds * (0.08 + 0.25 * truth.canyon + (0.4 if truth.indoors else 0.0)))
        course = (truth.course_deg + dc * min(60.0, 4.0 / (truth.speed_mps + 0.05))) % 360
        height = 62.0 + 3.5 * up
        if says:
            lat, lon, t_utc_ms, state, leap = self._sentinel(says, lat, lon, t_utc_ms, state)
            data = self._sentences.with_fix(t_utc_ms, lat, lon, height, speed, course, state, satellites, self.rates, loss_db)
            return _as_leap_second(data) if leap else data
        return self._sentences.with_fix(t_utc_ms, lat, lon, height, speed, course, state, satellites, self.rates, loss_db)

    def _sentinel(self, says: str, lat: float, lon: float, t_utc_ms: int, state: int) -> tuple[float, float, int, int, bool]:
        if says == "zero_position":
            return 0.0, 0.0, t_utc_ms, state, False
        if says == "year_1980":
            return lat, lon, _EPOCH_1980_MS + t_utc_ms % 86_400_000, state, False
        if says == "leap_second":
            # The second after 23:59:59 is 23:59:60 of the same day; the receiver prints it in place of the next 00:00:00.
            leap = t_utc_ms % 86_400_000 < 1000
            return lat, lon, t_utc_ms - 1000 if leap else t_utc_ms, state, leap
        return lat, lon, t_utc_ms + _DATE_SHIFT_MS[says], state, False

    def _garbage(self, t_utc_ms: int) -> bytes:
        """As from a line with a wrong speed: bytes of any value, among them the signs that begin and end sentences."""
        out = b"".join(bits(self._key, t_utc_ms * 64 + i).to_bytes(8, "little") for i in range(40))
        return out[:160] + b"$GNRMC" + out[160:] + b"\r\n"


def _as_leap_second(data: bytes) -> bytes:
    """Every sentence of the epoch at 23:59:59, said of 23:59:60."""
    lines = data.decode("ascii").split("\r\n")[:-1]
    return "".join(sentence(line[1:].partition("*")[0].replace("235959.", "235960.", 1)) for line in lines).encode("ascii")
