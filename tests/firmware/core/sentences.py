"""Strategies for NMEA: sentences as receivers send them, sentences as they should not be, and streams with rubbish in them."""

import string
from datetime import date

from hypothesis import strategies as st

from tests.firmware.core.receivers import sentence

TALKERS = ("GP", "GN", "GL", "GA", "GB", "BD", "GQ", "QZ", "GI")
KINDS = ("RMC", "GGA", "GSA", "GST", "ZDA", "GSV")
ADDRESSES = [talker + kind for talker in TALKERS for kind in KINDS]

digits = st.text(string.digits, max_size=12)


@st.composite
def times(draw) -> str:
    hour, minute, second = draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 59))
    fraction = draw(st.text(string.digits, max_size=4))
    return f"{hour:02}{minute:02}{second:02}" + ("." + fraction if fraction else "")


@st.composite
def axes(draw, top: int, letters: str) -> str:
    """A latitude or longitude with its hemisphere, with 0 to 10 digits after the point."""
    minutes = draw(st.integers(0, top * 60 - 1))
    degrees, minute = divmod(minutes, 60)
    fraction = draw(st.text(string.digits, max_size=10))
    width = 2 if top == 90 else 3
    point = "." if fraction or draw(st.booleans()) else ""
    return f"{degrees:0{width}}{minute:02}{point}{fraction},{draw(st.sampled_from(letters))}"


positions = st.tuples(axes(90, "NS"), axes(180, "EW")).map(",".join).filter(lambda text: any(c in "123456789" for c in text))
decimals = st.decimals(0, 1200, places=3, allow_nan=False).map(str)
dates = st.dates(date(1980, 1, 1), date(2079, 12, 31))
talkers = st.sampled_from(TALKERS)

rmc = st.builds(
    lambda t, time, pos, speed, course, day, mode: f"{t}RMC,{time},A,{pos},{speed},{course},{day:%d%m%y},,{mode}",
    talkers, times(), positions, decimals, st.decimals(0, 359, places=2).map(str), dates,
    st.sampled_from(("", ",A", ",D", ",A,V")),
)  # fmt: skip
gga = st.builds(
    lambda t, time, pos, quality, n, hdop: f"{t}GGA,{time},{pos},{quality},{n:02},{hdop},12.3,M,47.0,M,,",
    talkers, times(), positions, st.integers(1, 8), st.integers(0, 60), st.decimals("0.1", 99, places=2),
)  # fmt: skip
gsa = st.builds(
    lambda t, mode, n, hdop: f"{t}GSA,A,{mode}," + ",".join("07" if i < n else "" for i in range(12)) + f",2.1,{hdop},1.8",
    talkers, st.integers(1, 3), st.integers(0, 12), st.decimals("0.1", 99, places=2),
)  # fmt: skip
gst = st.builds(
    lambda t, time, a, b: f"{t}GST,{time},12.3,4.5,3.2,45.0,{a},{b},9.1",
    talkers, times(), st.decimals(0, 250, places=2), st.decimals(0, 250, places=2),
)  # fmt: skip
zda = st.builds(lambda t, time, day: f"{t}ZDA,{time},{day:%d,%m,%Y},00,00", talkers, times(), dates)
gsv = st.builds(
    lambda t, number, view, cn0s, signal: f"{t}GSV,3,{number},{view:02},"
    + ",".join(f"{i + 1:02},45,123,{cn0}" for i, cn0 in enumerate(cn0s))
    + signal,
    talkers, st.integers(1, 3), st.integers(0, 30), st.lists(st.sampled_from(("", "00", "23", "47")), min_size=1, max_size=4),
    st.sampled_from(("", ",1", ",8")),
)  # fmt: skip
proper = st.one_of(rmc, gga, gsa, gst, zda, gsv)

# Right checksums, wrong content: every field from what fields hold, in any place.
field = st.one_of(
    st.sampled_from(("", "A", "V", "N", "S", "E", "W", "M", "0", "1", "3", "9", ".", "..", "-1", "1.2.3", "AA", " ", "9" * 12)),
    digits, times(), axes(90, "NS"), axes(180, "EW"), decimals,
    st.text("0123456789.", max_size=16),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$*"), max_size=8),
)  # fmt: skip
hostile = st.builds(
    lambda address, fields: ",".join([address, *fields])[:116], st.sampled_from(ADDRESSES), st.lists(field, max_size=26)
)
garbage = st.one_of(
    st.binary(max_size=60), st.sampled_from((b"$", b"$$", b"*", b"\xb5\x62\x01\x07", b"$GPRMC", b"$GPGGA,12*", b"\r\n"))
)


@st.composite
def streams(draw) -> bytes:
    """Sentences good, bad, cut and glued, with binary between them."""
    pieces = []
    for _ in range(draw(st.integers(0, 12))):
        piece = draw(st.one_of(st.one_of(proper, hostile).map(sentence), garbage))
        if draw(st.integers(0, 5)) == 0:
            piece = piece[: draw(st.integers(0, len(piece)))]
        if piece and draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(piece) - 1))
            piece = piece[:at] + bytes((draw(st.integers(0, 255)),)) + piece[at + 1 :]
        pieces.append(piece)
    return b"".join(pieces)
