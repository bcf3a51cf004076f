"""The zone map's layout: made by the bridge (bridge/orders/zonemap.py), read in place from flash by the tag (tag/zones.py).

Little-endian; offsets are from the map's beginning, and its size is a multiple of 4. A map of 0 bytes has no zones.

    0  u8 VERSION    1  u8 zones    2  u16 intervals
    then a head of HEAD_SIZE bytes for each zone:
     0  u16  id
     2  u8   kind       EXCLUSION, INCLUSION or HOME
     3  u8   shape      CIRCLE or POLYGON
     4  u16  interval   seconds between fixes in or near it; 0: the setting
     6  u8   confirm    points that confirm a change, 1 to CONFIRM_MAX
     7  u8   points     1 of a circle, 3 to POINTS_MAX of a polygon
     8  u32  offset     of the points, a multiple of 4
    12  u16  first      interval of the schedule
    14  u16  intervals  of the schedule; 0: always active
    16  i32  lat_min, lon_min, lat_max, lon_max   1e-7 degrees; lon_min > lon_max: across the 180th meridian
    then the intervals, in order and apart for each zone: u32 from_s, u32 until_s (UTC, until_s not included)
    then the points: i32 lat, i32 lon, 1e-7 degrees; after a circle's centre u32 radius in dm, u32 0

The box has the whole zone in it. A polygon's edges are straight in latitude and longitude; the last point joins the first.
"""

from .port import const

VERSION = const(1)
MAP_SIZE = const(4)
HEAD_SIZE = const(32)
INTERVAL_SIZE = const(8)
POINT_SIZE = const(8)
SIZE_MAX = const(65532)

EXCLUSION = const(1)
INCLUSION = const(2)
HOME = const(3)

CIRCLE = const(1)
POLYGON = const(2)

ZONES_MAX = const(64)
INTERVALS_MAX = const(512)
POINTS_MAX = const(64)
CONFIRM_MAX = const(10)
RADIUS_MAX_DM = const(1000000)
LAT_MAX_E7 = const(860000000)  # of a box; `geo` is good for it
SPAN_MAX_E7 = const(536870910)  # of a box, both ways: differences within a zone stay below 2**30
