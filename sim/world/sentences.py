"""NMEA 0183 4.10 sentences as an L76K prints them: GGA, GSA (one a system), GSV, RMC, VTG; talkers GN, GP and BD.

What changes slowly (which satellites, how strong, GSA and GSV) is worked out once for each block of 30 s and kept, a plain
function of the block; the rest is formatted for each epoch.
"""

import math
from datetime import UTC, datetime

from .hashing import uniform
from .sky import Satellite

# The kinds of sky a block's text is kept for: eight steps from the open to a street of tall houses, then these.
CANYON_STEPS = 8
INSIDE = CANYON_STEPS + 1
FALSE = CANYON_STEPS + 2
# dB lost on the ankle, how far off the strength may be, what is hidden all around and what across the street, in degrees: under
# the open sky; where a street begins to be one, and at its narrowest (between them in proportion: `mapped` says which angles a
# street is measured by); below a roof, which weakens all but what a window lets in. The leg hides a third of the horizon up to
# 45°; a false signal comes from one place, all satellites alike and none hidden.
_OPEN = (3.0, 2.5, 10.0, 0.0)
_WIDE = (3.0, 2.5, 10.0, 25.0)
_NARROW = (6.0, 5.0, 25.0, 60.0)
_INSIDE = (19.0, 6.0, 15.0, 0.0)
_FALSE = (0.0, 0.8, 0.0, 0.0)
_SKIES = (
    _OPEN,
    *(tuple(a + (b - a) * i / CANYON_STEPS for a, b in zip(_WIDE, _NARROW, strict=True)) for i in range(1, CANYON_STEPS + 1)),
    _INSIDE,
    _FALSE,
)
_WINDOW_DB = 9.0  # lost by what comes through a window: between 15 and 50 degrees of elevation, an eighth of the horizon
_FALSE_DBHZ = 46.0
_USABLE_DBHZ = 22.0
_BLOCK_MS = 30_000  # divides sky.BLOCK_MS, so that a block has one sky


def sky_of(canyon: float) -> int:
    """The kind of sky of a street, 0 … 1 as in `Truth.canyon`."""
    return math.ceil(canyon * CANYON_STEPS)


def sentence(body: str) -> str:
    """`$body*hh` with its line end."""
    folded = int.from_bytes(body.encode("ascii"), "little")  # at most 128 bytes: all of them XORed by folding in halves
    folded ^= folded >> 512
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return f"${body}*{(folded ^ folded >> 8) & 0xFF:02X}\r\n"


class Sentences:
    def __init__(self, key: int) -> None:
        self._key = key
        self._kept: dict[tuple[int, int, bool, int], tuple[str, str, int, float]] = {}
        self._last_day = (-1, "")

    def with_fix(
        self,
        t_utc_ms: int,
        lat: float,
        lon: float,
        height_m: float,
        speed_mps: float,
        course_deg: float,
        state: int,
        satellites: tuple[Satellite, ...],
        rates: dict[str, int],
        loss_db: int = 0,
    ) -> bytes:
        """An epoch with a fix. `state` is a kind of sky: `sky_of`, INSIDE or FALSE.

        `rates` as in `gnss.Receiver`; `loss_db` off every satellite."""
        gsa, gsv, used, hdop = self._block(t_utc_ms, state, True, satellites, loss_db)
        clock, date = self._clock(t_utc_ms)
        where = f"{_angle(lat, 2)},{'N' if lat >= 0 else 'S'},{_angle(lon, 3)},{'E' if lon >= 0 else 'W'}"
        knots = speed_mps * 1.9438445
        n = t_utc_ms // 1000
        out = ""
        if (r := rates["GGA"]) and n % r == 0:
            out += sentence(f"GNGGA,{clock},{where},1,{used:02d},{hdop:.1f},{height_m:.1f},M,48.7,M,,")
        if (r := rates["GSA"]) and n % r == 0:
            out += gsa
        if (r := rates["GSV"]) and n % r == 0:
            out += gsv
        if (r := rates["RMC"]) and n % r == 0:
            out += sentence(f"GNRMC,{clock},A,{where},{knots:.2f},{course_deg:.2f},{date},,,A,V")
        if (r := rates["VTG"]) and n % r == 0:
            out += sentence(f"GNVTG,{course_deg:.2f},T,,M,{knots:.2f},N,{speed_mps * 3.6:.2f},K,A")
        return out.encode("ascii")

    def without_fix(
        self,
        t_utc_ms: int,
        knows_time: bool,
        state: int,
        satellites: tuple[Satellite, ...],
        rates: dict[str, int],
        loss_db: int = 0,
    ) -> bytes:
        """An epoch without a fix: RMC V, GGA quality 0, GSA 1."""
        gsa, gsv, _, _ = self._block(t_utc_ms, state, False, satellites, loss_db)
        clock, date = self._clock(t_utc_ms) if knows_time else ("", "")
        n = t_utc_ms // 1000
        out = ""
        if (r := rates["GGA"]) and n % r == 0:
            out += sentence(f"GNGGA,{clock},,,,,0,00,99.9,,,,,,")
        if (r := rates["GSA"]) and n % r == 0:
            out += gsa
        if (r := rates["GSV"]) and n % r == 0:
            out += gsv
        if (r := rates["RMC"]) and n % r == 0:
            out += sentence(f"GNRMC,{clock},V,,,,,,,{date},,,N,V")
        if (r := rates["VTG"]) and n % r == 0:
            out += sentence("GNVTG,,,,,,,,,N")
        return out.encode("ascii")

    def _clock(self, t_utc_ms: int) -> tuple[str, str]:
        day, ms = divmod(t_utc_ms, 86_400_000)
        known, date = self._last_day
        if known != day:
            date = datetime.fromtimestamp(day * 86_400, UTC).strftime("%d%m%y")
            self._last_day = (day, date)
        s, ms = divmod(ms, 1000)
        return f"{s // 3600:02d}{s // 60 % 60:02d}{s % 60:02d}.{ms:03d}", date

    def _block(
        self, t_utc_ms: int, state: int, fix: bool, satellites: tuple[Satellite, ...], loss_db: int
    ) -> tuple[str, str, int, float]:
        """(GSA text, GSV text, satellites used, HDOP) of a block."""
        block = t_utc_ms // _BLOCK_MS
        kept = self._kept.get((block, state, fix, loss_db))
        if kept is None:
            if len(self._kept) > 16:
                self._kept.clear()
            kept = self._kept[block, state, fix, loss_db] = self._text(block, state, fix, satellites, loss_db)
        return kept

    def _text(
        self, block: int, state: int, fix: bool, satellites: tuple[Satellite, ...], loss_db: int
    ) -> tuple[str, str, int, float]:
        heard: list[tuple[Satellite, int]] = []
        used: list[Satellite] = []
        axis = uniform(self._key, -1 - block // 4, 0.0, math.tau)  # the way the street runs, or the leg is, for two minutes
        loss_here, spread, mask_deg, across_deg = _SKIES[state]
        for s in satellites:
            draw = uniform(self._key, block * 256 + s.number + (64 if s.talker == "BD" else 0), -1.0, 1.0)
            turn = math.radians(s.azimuth) - axis
            loss = loss_here
            if state == INSIDE and 15 <= s.elevation <= 50 and abs(math.sin(turn)) > 0.92:
                loss = _WINDOW_DB
            strength = (_FALSE_DBHZ if state == FALSE else s.strength) - loss + draw * spread - loss_db
            behind_leg = math.cos(turn) > 0.5 and s.elevation < 45 and state != FALSE
            across = abs(math.sin(turn)) > 0.5 and s.elevation < across_deg
            hidden = behind_leg or across or s.elevation < mask_deg
            if hidden:
                strength -= 14.0
            heard.append((s, max(0, round(strength))))
            if strength >= _USABLE_DBHZ and not hidden:
                used.append(s)
        if fix and len(used) < 4:  # a fix has satellites: the best ones then
            used = [s for s, _ in sorted(heard, key=lambda pair: -pair[1])[:4]]
        if not fix:
            used = []
        hdop = _hdop(used) if used else 99.9
        gsa = "".join(_gsa(used, talker, system, fix, hdop) for talker, system in (("GP", 1), ("BD", 4)))
        gsv = "".join(_gsv([pair for pair in heard if pair[0].talker == talker], talker) for talker in ("GP", "BD"))
        return gsa, gsv, len(used), hdop


def _gsa(used: list[Satellite], talker: str, system: int, fix: bool, hdop: float) -> str:
    numbers = [f"{s.number:02d}" for s in used if s.talker == talker][:12]
    numbers += [""] * (12 - len(numbers))
    vdop = min(99.9, hdop * 1.4)
    pdop = min(99.9, math.hypot(hdop, vdop))
    return sentence(f"GNGSA,A,{3 if fix else 1},{','.join(numbers)},{pdop:.1f},{hdop:.1f},{vdop:.1f},{system}")


def _gsv(heard: list[tuple[Satellite, int]], talker: str) -> str:
    total = max(1, math.ceil(len(heard) / 4))
    out = ""
    for i in range(total):
        four = "".join(
            f",{s.number:02d},{s.elevation:02d},{s.azimuth:03d},{f'{c:02d}' if c else ''}" for s, c in heard[4 * i : 4 * i + 4]
        )
        out += sentence(f"{talker}GSV,{total},{i + 1},{len(heard):02d}{four},0")
    return out


def _hdop(used: list[Satellite]) -> float:
    """Horizontal dilution of the satellites' directions: root of the trace of the inverse normal matrix, horizontal part."""
    n = see = snn = sen = se = sn = 0.0
    for s in used:
        c = math.cos(math.radians(s.elevation))
        e, o = c * math.sin(math.radians(s.azimuth)), c * math.cos(math.radians(s.azimuth))
        n, se, sn = n + 1, se + e, sn + o
        see, snn, sen = see + e * e, snn + o * o, sen + e * o
    a, b, c = see - se * se / n, snn - sn * sn / n, sen - se * sn / n  # the clock taken out
    det = a * b - c * c
    if det <= 1e-6:
        return 9.9
    return min(9.9, max(0.5, math.sqrt((a + b) / det)))


def _angle(degrees: float, width: int) -> str:
    """`ddmm.mmmmm` (or dddmm.mmmmm): carried in whole 1e-5 minutes, so that 60 minutes never appear."""
    units = round(abs(degrees) * 6_000_000)
    whole, rest = divmod(units, 6_000_000)
    minutes, fraction = divmod(rest, 100_000)
    return f"{whole:0{width}d}{minutes:02d}.{fraction:05d}"
