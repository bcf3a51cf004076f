"""Where a place is to another and to a polygon: exact about inside, decimetres about distance, in 32-bit integers throughout.

Guarantees: no exception and no allocation; nothing but integers, which never leave 32 bits; across the 180th meridian as
anywhere else; to 86 degrees of latitude. Whether a place is inside a polygon is exact (on an edge it is either). A distance is
off by less than 2 dm + reach / 2048 (reach / 512 beyond 70 degrees of latitude), where `reach` is what it was asked up to:
for `separation` when reach is at most 120 km, against the geodesic; for `polygon` when the distance is at most 2 km. Edges are
straight in latitude and longitude, as they are on the bridge's map (bridge/rules/geometry.py).

    w = array("i", (0, 0, 0, 0))
    scale(w, pos, other, 0)
    dm = separation(w, pos, other, 0, 10_000)   # 10_000: a kilometre or more

`pos` and `other` are array('i') of latitude and longitude in 1e-7 degrees, so that a longitude need not be a Python integer,
which beyond 107 degrees is a heap object on a microcontroller. The work is done in `_geo_viper`.
"""

try:
    from ._geo_viper import polygon, scale, separation
except (SyntaxError, ValueError):  # an interpreter without machine code, such as the unix port on a 64-bit Arm
    from ._geo_plain import polygon, scale, separation  # type: ignore

__all__ = ("polygon", "scale", "separation")
