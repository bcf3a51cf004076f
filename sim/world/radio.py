"""Short-range radio (Bluetooth LE, 2.4 GHz) between an ankle and a home unit: how strong a packet arrives, if at all.

Log-distance path loss: 40 dB at 1 m (free space at 2.4 GHz), exponent 2.4 outdoors and out of a house near the ground, 3.0
within a building; 12 dB for each outer wall (brick and foil-backed insulation, ITU-R P.2109 between traditional and efficient);
8 dB for the body and a small antenna at an ankle. Shadowing of 3 dB correlated over 4 m and, where nobody moves, over 3 min
(doors, people); fading of 2 dB for each packet. Together clipped to ± 10 dB, so `max_range_m` is a hard limit. All a plain
function of place, time, seed and link.
"""

import math
from functools import lru_cache

from .hashing import Noise, gauss_pair, stream, uniform
from .plane import distance_m

SENSITIVITY_DBM = -97.0  # ESP32 at 1 Mbit/s, data sheet
LOSS_1M_DB, EXPONENT_OPEN, EXPONENT_INDOORS = 40.0, 2.4, 3.0
WALL_DB, BODY_DB = 12.0, 8.0
SHADOW_SPACE_DB, SHADOW_TIME_DB, FADING_DB, CLIP_DB = 2.4, 1.8, 2.0, 10.0
_CELL_M, _TIME_TAU_MS = 4.0, 180_000


def mean_rssi_dbm(tx_power_dbm: float, metres: float, indoors1: bool, indoors2: bool, same_building: bool) -> float:
    """Without shadowing and fading."""
    exponent = EXPONENT_INDOORS if same_building else EXPONENT_OPEN
    walls = 0 if same_building else int(indoors1) + int(indoors2)
    return tx_power_dbm - LOSS_1M_DB - BODY_DB - 10 * exponent * math.log10(max(metres, 1.0)) - WALL_DB * walls


def max_range_m(tx_power_dbm: float = 0.0, walls: int = 0) -> float:
    """Beyond this, nothing is ever heard."""
    budget = tx_power_dbm - LOSS_1M_DB - BODY_DB - WALL_DB * walls + CLIP_DB - SENSITIVITY_DBM
    return 10 ** (budget / (10 * EXPONENT_OPEN))


def rssi_dbm(
    tx_power_dbm: float,
    lat1: float,
    lon1: float,
    lat2: float,
    lon2: float,
    indoors1: bool,
    indoors2: bool,
    same_building: bool,
    t_ms: int,
    seed: int,
    link: str,
) -> float | None:
    """The strength of the packet sent at t_ms, in dBm; None when the receiver cannot hear it.

    `link` names the pair of devices: shadowing is the same both ways when both sides use the same name.
    """
    metres = distance_m(lat1, lon1, lat2, lon2)
    mean = mean_rssi_dbm(tx_power_dbm, metres, indoors1, indoors2, same_building)
    if mean + CLIP_DB < SENSITIVITY_DBM:
        return None
    space, fading, doors = _link(seed, link)
    change = SHADOW_SPACE_DB * _field(space, (lat1 - lat2) * 111_195.0, (lon1 - lon2) * 70_000.0)
    change += SHADOW_TIME_DB * doors.at(t_ms)[0] + FADING_DB * gauss_pair(fading, t_ms)[0]
    level = mean + max(-CLIP_DB, min(CLIP_DB, change))
    return level if level >= SENSITIVITY_DBM else None


@lru_cache(maxsize=4096)
def _link(seed: int, link: str) -> tuple[int, int, Noise]:
    """The keys of shadowing in space and of fading, and shadowing in time, of a pair of devices."""
    return stream(seed, "shadow", link), stream(seed, "fading", link), Noise(stream(seed, "doors", link), _TIME_TAU_MS)


def _field(key: int, x: float, y: float) -> float:
    """Noise of variance 1 over the plane, correlated over about _CELL_M (bilinear between uniform numbers on a hashed grid)."""
    x, y = x / _CELL_M, y / _CELL_M
    i, j = math.floor(x), math.floor(y)
    p, q, r, s = _corners(key, i, j)
    u, v = x - i, y - j
    a, b = 1 - u, 1 - v
    w0, w1, w2, w3 = a * b, u * b, a * v, u * v
    return (w0 * p + w1 * q + w2 * r + w3 * s) / math.sqrt(w0 * w0 + w1 * w1 + w2 * w2 + w3 * w3)


@lru_cache(maxsize=8192)
def _corners(key: int, i: int, j: int) -> tuple[float, float, float, float]:
    a, b, c, d = (
        uniform(key, (p & 0xFFFFF) << 20 | (q & 0xFFFFF), -1.7320508, 1.7320508)
        for p, q in ((i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1))
    )
    return a, b, c, d
