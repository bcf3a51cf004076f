"""Distances and polygons on the ellipsoid in 32-bit integers. No allocation, no exception; see `geo` for what holds.

One source for every interpreter, in the subset that viper and Python read alike (as in `_nmea_viper`). Viper integers have 32
bits on a microcontroller: no intermediate here leaves them, and none shifts by more than 31. Negative numbers come out of a
buffer unsigned where viper has 64 bits, hence `if x > top`. tests/firmware/core/test_geo.py runs this file with integers that
object to either.

Places are pairs of array('i') words, latitude and longitude in 1e-7 degrees ("units"; 1.1 cm of latitude). A place is looked
at from `p`: differences of longitude are scaled to units of latitude, and both shifted down until they fit 15 bits.
`w` is the work array: w[0] / 2**w[1] units of latitude are as long as one of longitude, w[2] / 4096 units of latitude make a
decimetre, 2**-w[3] is the error bound of a distance for its reach. `scale` fills it.
"""
# pyright: reportInvalidTypeForm=false, reportGeneralTypeIssues=false

from .port import MICROPYTHON, const

if not MICROPYTHON:
    from ._cpython import micropython, ptr32

_QUARTER = const(900000000)  # 90 degrees
_WIDE = const(0x0FFFFFFF)  # no window is wider than twice this, 53 degrees of longitude


@micropython.viper
def scale(w: ptr32, p: ptr32, q: ptr32, j: int):
    """Fill w[0:4] for the latitude in the middle between p[0] and q[j]. Good to 1e-4 as far as 86 degrees, harmless beyond."""
    top = 0x3FFFFFFF
    top += top + 1
    lat = p[0]
    if lat > top:
        lat = lat - top - top - 2
    y = q[j]
    if y > top:
        y = y - top - top - 2
    lat = (lat >> 1) + (y >> 1) + (lat & y & 1)
    if lat < 0:
        lat = 0 - lat
    # The cosine is the sine of what is left to the pole, t quadrants: t times a polynomial in u = t * t (least relative error,
    # 1e-6, fitted to sin(pi t / 2) / t), so that it keeps its relative precision there. u has 15 bits, the coefficients 16.
    y = _QUARTER - lat
    if y < 32768:
        y = 32768
    t = y >> 15  # 27466 is a quadrant
    u = ((t * t >> 15) << 15) // 23021
    t = 5209 + (-286 * u >> 15)
    t = -42331 + (t * u >> 15)
    t = 102944 + (t * u >> 15) >> 1
    c = (y >> 15) * t + ((y & 32767) * t >> 15)  # 900000000 times the cosine
    t = c >> 15
    u = ((t * t >> 15) << 15) // 23021  # its square, 15 bits
    # A unit of latitude is the radius of curvature M in the meridian, of longitude N cos(lat), of the WGS 84 ellipsoid (Snyder,
    # Map Projections, USGS PP 1395, p. 24): N / M = 1 + e'2 cos2(lat), e'2 = 0.00673950; 1 / M is linear in cos2(lat) to 2e-5.
    w[2] = 36671 + (372 * u >> 15)
    u = 32768 + (221 * u >> 15)
    c = (c >> 15) * u + ((c & 32767) * u >> 15)
    w[3] = 11
    if c < 308000000:  # north of 70 degrees meridians meet so fast that a plane is a poorer picture
        w[3] = 9
    t = 15
    while c < 450000000 and t < 23:
        c += c
        t += 1
    w[0] = c // 27466
    w[1] = t


@micropython.viper
def separation(w: ptr32, p: ptr32, q: ptr32, j: int, reach: int) -> int:
    """Decimetres from p to the place q[j:j+2], with the scale of the middle; `reach` (below 2**21) when it is further."""
    k = w[0]
    n = w[1]
    top = 0x3FFFFFFF
    top += top + 1
    half = _QUARTER
    half += half
    wy = (reach >> 12) * w[2] + ((reach & 4095) * w[2] >> 12)
    wx = ((wy // k) << 15) + ((wy % k) << 15) // k
    s = n
    while s > 15:
        if wx > _WIDE:
            wx = _WIDE
        wx += wx
        s -= 1
    y = q[j]
    if y > top:
        y = y - top - top - 2
    x = p[0]
    if x > top:
        x = x - top - top - 2
    y -= x
    if y < 0:
        y = 0 - y
    x = q[j + 1]
    if x > top:
        x = x - top - top - 2
    t = p[1]
    if t > top:
        t = t - top - top - 2
    s = (x >> 1) - (t >> 1)
    if s > _QUARTER:
        x = (x - half) - (t + half)
    elif s < -_QUARTER:
        x = (x + half) - (t - half)
    else:
        x -= t
    if x < 0:
        x = 0 - x
    if x > wx or y > wy:
        return reach
    s = 0
    while wy >> s > 16000:
        s += 1
    y = (y + (1 << s >> 1)) >> s
    t = n - 15 + s
    x = ((x >> 15) * k + ((x & 32767) * k >> 15) + (1 << t >> 1)) >> t
    x = x * x + y * y
    y = 0
    t = 1 << 14
    while t != 0:
        if (y + t) * (y + t) <= x:
            y += t
        t >>= 1
    y = y << s
    k = w[2]
    y = (y // k << 12) + (y % k << 12) // k
    if y > reach:
        y = reach
    return y


@micropython.viper
def polygon(w: ptr32, p: ptr32, q: ptr32, j: int, n: int, reach: int) -> int:
    """Twice the decimetres from p to the nearest edge of the polygon of n places from q[j] on, plus 1 when p is inside.

    For the scale at p. A distance beyond `reach` (below 2**21) is given as about `reach`. Edges are straight in latitude and
    longitude. p is within 160 degrees of longitude of all of them, and the polygon spans less than 107 degrees.
    """
    k = w[0]
    top = 0x3FFFFFFF
    top += top + 1
    half = _QUARTER
    half += half
    wy = (reach >> 12) * w[2] + ((reach & 4095) * w[2] >> 12)
    wx = ((wy // k) << 15) + ((wy % k) << 15) // k
    s = w[1]
    while s > 15:
        if wx > _WIDE:
            wx = _WIDE
        wx += wx
        s -= 1
    # Beyond the window (wx, wy) around p an edge does not count; twice that, in steps of 2**s units, fits 14 bits.
    s = 0
    while wy >> s > 8000:
        s += 1
    shift = w[1] - 15 + s
    best = wy >> s
    best *= best
    plat = p[0]
    if plat > top:
        plat = plat - top - top - 2
    plon = p[1]
    if plon > top:
        plon = plon - top - top - 2
    inside = 0
    bx = by = 0
    e = j + n + n - 2
    i = 0
    while i <= n:
        ax = bx
        ay = by
        by = q[e]
        if by > top:
            by = by - top - top - 2
        by -= plat
        bx = q[e + 1]
        if bx > top:
            bx = bx - top - top - 2
        e = (bx >> 1) - (plon >> 1)
        if e > _QUARTER:
            bx = (bx - half) - (plon + half)
        elif e < -_QUARTER:
            bx = (bx + half) - (plon - half)
        else:
            bx -= plon
        e = j + i + i
        i += 1
        if i == 1:
            continue

        # Does the edge cross the parallel of p east of it? With the end (x1, y1) north of p and (x0, y0) not, when
        # x0 * y1 > x1 * y0: decided exactly, with products of 60 bits in pieces of 15.
        x0 = ax
        y0 = 0 - ay
        x1 = bx
        y1 = by
        if ay > 0:
            x0 = bx
            y0 = 0 - by
            x1 = ax
            y1 = ay
        if y1 > 0 and y0 >= 0:
            if x0 > 0 and x1 > 0:
                inside ^= 1
            elif x0 > 0 or x1 > 0:
                x1 = 0 - x1
                if x0 <= 0:  # x1 * y0 > x0 * y1, all of them positive
                    m = x0
                    x0 = 0 - x1
                    x1 = 0 - m
                    m = y0
                    y0 = y1
                    y1 = m
                m = ((x0 >> 15) * (y1 & 32767) - (x1 >> 15) * (y0 & 32767)) + (
                    (x0 & 32767) * (y1 >> 15) - (x1 & 32767) * (y0 >> 15)
                )
                c = (x0 & 32767) * (y1 & 32767) - (x1 & 32767) * (y0 & 32767)
                m += c >> 15
                x0 = (x0 >> 15) * (y1 >> 15) - (x1 >> 15) * (y0 >> 15) + (m >> 15)
                if x0 > 0 or (x0 == 0 and (m | c) & 32767 != 0):
                    inside ^= 1

        # What of the edge lies beside the window is cut off: halved until both ends are within twice the window.
        x1 = bx
        y1 = by
        c = 2  # ends to look at
        while c != 0:
            if (ax > wx and x1 > wx) or (ax < 0 - wx and x1 < 0 - wx) or (ay > wy and y1 > wy) or (ay < 0 - wy and y1 < 0 - wy):
                break
            if ax > wx + wx or ax < 0 - wx - wx or ay > wy + wy or ay < 0 - wy - wy:
                x0 = x1
                y0 = y1
                while not (
                    (ax > wx and x0 > wx)
                    or (ax < 0 - wx and x0 < 0 - wx)
                    or (ay > wy and y0 > wy)
                    or (ay < 0 - wy and y0 < 0 - wy)
                ):
                    x0 = (ax >> 1) + (x0 >> 1) + (ax & x0 & 1)
                    y0 = (ay >> 1) + (y0 >> 1) + (ay & y0 & 1)
                ax = x0
                ay = y0
            else:  # this end will do: the other
                x0 = ax
                y0 = ay
                ax = x1
                ay = y1
                x1 = x0
                y1 = y0
                c -= 1
        if c != 0:
            continue

        c = 1 << shift >> 1
        m = 1 << s >> 1
        ax = ((ax >> 15) * k + ((ax & 32767) * k >> 15) + c) >> shift
        x1 = (((x1 >> 15) * k + ((x1 & 32767) * k >> 15) + c) >> shift) - ax
        ay = (ay + m) >> s
        y1 = ((y1 + m) >> s) - ay
        c = 0 - ax * x1 - ay * y1  # how far along the edge p is, times its length
        if c > 0:
            m = x1 * x1 + y1 * y1
            if c >= m:
                ax += x1
                ay += y1
            else:
                while m > 32767:
                    m >>= 1
                    c >>= 1
                c = (c << 15) // m
                ax += (x1 * c + 16384) >> 15
                ay += (y1 * c + 16384) >> 15
        m = ax * ax + ay * ay
        if m < best:
            best = m
    y0 = 0
    c = 1 << 13
    while c != 0:
        if (y0 + c) * (y0 + c) <= best:
            y0 += c
        c >>= 1
    y0 = y0 << s
    k = w[2]
    return ((y0 // k << 12) + (y0 % k << 12) // k) << 1 | inside
