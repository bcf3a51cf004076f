"""The receiver's epochs: what belongs together, what is believed, and how a fix is dated."""

import datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import gnss, nmea, record
from firmware.core.gnss import Receiver
from tests.firmware.core import sentences
from tests.firmware.core.receivers import sentence

FIELDS = (
    *("valid", "contradicted", "has_date", "date_doubtful", "estimated", "utc_s", "day", "tod_s", "millis", "speed_cms"),
    *("course_deg", "satellites", "hdop_tenths", "quality", "fix_type", "radius_dm", "cn0_max", "in_view", "heard"),
)


class Bench:
    """A receiver with everything it has said."""

    def __init__(self):
        self.epochs = []
        self.receiver = Receiver(self._keep)

    def _keep(self, fix):
        self.epochs.append(SimpleNamespace(pos=tuple(fix.pos), **{name: getattr(fix, name) for name in FIELDS}))

    def hear(self, *bodies: str, idle: bool = True):
        for body in bodies:
            data = sentence(body)
            self.receiver.feed(bytearray(data), len(data))
        if idle:
            self.receiver.idle()
        return self.epochs


def rmc(time="120000.00", status="A", lat="5000.0000", date="010126", talker="GN", mode="A", speed="1.0", course="90.0"):
    return f"{talker}RMC,{time},{status},{lat},N,00100.0000,W,{speed},{course},{date},,,{mode}"


def gga(time="120000.00", quality="1", lat="5000.0006", talker="GN", satellites="09", hdop="1.2"):
    return f"{talker}GGA,{time},{lat},N,00100.0000,W,{quality},{satellites},{hdop},10.0,M,47.0,M,,"


def gsa(mode=3, hdop="1.5"):
    return f"GNGSA,A,{mode},01,02,03,04,,,,,,,,,2.0,{hdop},1.3"


def seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


# --- grouping


def test_the_sentences_of_one_time_are_one_epoch():
    [fix] = Bench().hear(rmc(), gga(), gsa(), "GPGSV,1,1,02,01,40,083,46,02,17,308,41")
    assert fix.valid and not fix.contradicted and not fix.estimated and not fix.date_doubtful
    assert (fix.utc_s, fix.tod_s, fix.millis) == (seconds("2026-01-01T12:00:00"), 43200, 0)
    assert fix.pos == (500000100, -10000000), "GGA's position is preferred"
    assert (fix.speed_cms, fix.course_deg, fix.satellites, fix.hdop_tenths) == (51, 90, 9, 12)
    assert (fix.quality, fix.fix_type, fix.cn0_max, fix.in_view, fix.heard) == (1, 3, 46, 2, 2)


@pytest.mark.parametrize("bodies", [(rmc(), gga()), (gga(), rmc())])
def test_the_order_of_rmc_and_gga_does_not_matter(bodies):
    [fix] = Bench().hear(*bodies)
    assert fix.pos[0] == 500000100
    assert (fix.speed_cms, fix.hdop_tenths, fix.has_date) == (51, 12, True)


def test_an_epoch_closes_when_the_next_begins_or_the_line_is_quiet():
    bench = Bench()
    assert bench.hear(rmc(), gga(), idle=False) == []
    assert len(bench.hear(rmc("120001.00"), idle=False)) == 1
    bench.receiver.idle()
    bench.receiver.idle()
    assert [fix.tod_s for fix in bench.epochs] == [43200, 43201]


def test_ten_epochs_a_second_are_ten():
    fixes = Bench().hear(*(body for i in range(10) for body in (rmc(f"120000.{i}0"), gga(f"120000.{i}0"))))
    assert [fix.millis for fix in fixes] == list(range(0, 1000, 100))


def test_several_talkers_of_one_time_are_one_epoch():
    assert len(Bench().hear(*(body for talker in ("GP", "GA", "GN") for body in (rmc(talker=talker), gga(talker=talker))))) == 1


def test_the_same_sentence_again_is_the_next_epoch():
    """A clock in whole seconds at 2 Hz, or no clock at all."""
    fixes = Bench().hear(rmc(), gga(), rmc(lat="5000.1000"), gga(lat="5000.1006"))
    assert [fix.pos[0] for fix in fixes] == [500000100, 500016767]
    fixes = Bench().hear(*["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,,,,,,,,"] * 3)
    assert [(fix.valid, fix.tod_s, fix.has_date, fix.utc_s) for fix in fixes] == [(False, -1, False, 0)] * 3


def test_sentences_without_rmc_or_gga_make_no_epoch():
    assert Bench().hear(gsa(), "GNZDA,120000.00,01,01,2026,00,00", "GNGST,120000.00,,,,,1.0,1.0,2.0") == []


def test_the_fix_is_one_object_and_keeps_nothing_of_the_last_epoch():
    seen = []
    receiver = Receiver(lambda fix: seen.append((id(fix), id(fix.pos), fix.valid, fix.speed_cms, fix.fix_type, fix.radius_dm)))
    for body in (rmc(), gga(), gsa(), gga("120001.00", "0")):
        receiver.feed(sentence(body), 200)
    receiver.idle()
    assert seen[0][:2] == seen[1][:2]
    assert seen[0][2:] == (True, 51, 3, 72)
    assert seen[1][2:] == (False, -1, -1, -1)


def test_more_bytes_announced_than_there_are_is_no_harm():
    receiver = Receiver(lambda fix: None)
    receiver.feed(bytearray(b"$GP"), 10_000)
    receiver.feed(bytearray(), 5)
    receiver.feed(bytearray(b"$GP"), -5)


# --- what is believed


def test_gga_without_a_fix_and_rmc_with_one_is_valid_and_contradicted():
    [fix] = Bench().hear(rmc(), gga(quality="0"))
    assert (fix.valid, fix.contradicted, fix.pos[0], fix.quality) == (True, True, 500000000, 1)


def test_rmc_void_and_gga_with_a_fix_is_valid_and_contradicted():
    [fix] = Bench().hear(rmc(status="V", mode="N"), gga())
    assert (fix.valid, fix.contradicted, fix.pos[0], fix.quality, fix.speed_cms) == (True, True, 500000100, 1, -1)


def test_void_is_not_valid():
    [fix] = Bench().hear(rmc(status="V", mode="N"), gga(quality="0"), gsa(1))
    assert (fix.valid, fix.contradicted, fix.quality, fix.fix_type, fix.radius_dm) == (False, False, 0, 1, -1)


@pytest.mark.parametrize("quality", [gnss.DEAD_RECKONING, gnss.MANUAL, gnss.SIMULATED])
def test_dead_reckoning_manual_and_simulated_positions_are_told_apart(quality):
    [fix] = Bench().hear(gga(quality=str(quality)))
    assert (fix.valid, fix.estimated, fix.radius_dm) == (True, True, -1)


def test_a_refused_sentence_changes_nothing():
    [fix] = Bench().hear(rmc(), gga(lat="5060.0000"), gga("120001.00", lat="9100.0000"))
    assert (fix.valid, fix.pos[0], fix.contradicted) == (True, 500000000, False)


def test_the_best_gsa_of_several_systems_counts():
    [fix] = Bench().hear(rmc(), gsa(3), gsa(1))
    assert (fix.fix_type, fix.hdop_tenths) == (3, 15)


# --- the radius


@pytest.mark.parametrize("order", ["before", "within"])
def test_the_radius_is_gsts(order):
    gst = "GNGST,120000.00,12.3,,,,3.0,4.0,9.1"
    [fix] = Bench().hear(*((gst, rmc(), gga()) if order == "before" else (rmc(), gst, gga())))
    assert fix.radius_dm == 100


def test_a_gst_of_another_time_says_nothing_about_this_one():
    [fix] = Bench().hear(gga(), "GNGST,115959.00,12.3,,,,3.0,4.0,9.1")
    assert fix.radius_dm == 72


def test_without_gst_the_radius_is_6_m_times_hdop():
    assert Bench().hear(gga(hdop="2.5"))[0].radius_dm == 150
    assert Bench().hear(rmc(), gsa(hdop="1.5"))[0].radius_dm == 90
    assert Bench().hear(rmc())[0].radius_dm == -1
    assert Bench().hear(gga(hdop="0.0"))[0].radius_dm == -1


@pytest.mark.parametrize(("hdop", "radius_dm"), [("0.5", 60), ("0.9", 60), ("1.0", 60), ("1.1", 66)])
def test_more_satellites_than_geometry_needs_make_no_radius_below_6_m(hdop, radius_dm):
    """2.4 times the 2.5 m CEP of such receivers: what is wrong with all signals alike is not averaged away."""
    assert Bench().hear(gga(hdop=hdop))[0].radius_dm == radius_dm


@pytest.mark.parametrize(
    ("silent", "hdop", "radius_dm"),
    [
        (0, "0.8", 60),
        (1, "0.8", 60),
        (2, "0.8", 60 + 10 * 12),
        (2, "1.3", 60 + (10 + 3) * 12),
        (5, "0.8", 430),
        (2, "7.5", 450),
        (0, "2.0", 120),
    ],
)
def test_what_is_in_view_and_not_heard_stands_behind_a_wall_from_which_others_come_late(silent, hdop, radius_dm):
    strengths = [42] * (10 - silent) + [None] * silent
    lines = []
    for i in range(3):
        four = strengths[4 * i : 4 * i + 4]
        satellites = "".join(f",{4 * i + k + 1:02},40,120,{'' if cn0 is None else cn0}" for k, cn0 in enumerate(four))
        lines.append(f"GPGSV,3,{i + 1},10{satellites}")
    assert Bench().hear(rmc(), gga(hdop=hdop), *lines)[-1].radius_dm == radius_dm


# --- dates


def test_a_gga_alone_is_dated_by_the_rmc_before_it():
    fixes = Bench().hear(rmc("120000.00"), gga("120001.00"), gga("120002.00"))
    assert [fix.utc_s for fix in fixes] == [seconds("2026-01-01T12:00:00") + i for i in range(3)]


def test_a_gga_alone_after_midnight_is_of_the_next_day():
    fixes = Bench().hear(rmc("235959.00", date="311226"), gga("000000.00"), gga("000001.00"), rmc("000002.00", date="010127"))
    assert [fix.utc_s for fix in fixes] == [seconds("2026-12-31T23:59:59") + i for i in range(4)]


def test_a_date_is_carried_over_many_days_of_gga():
    hours = [f"{hour % 24:02}0000.00" for hour in range(0, 24 * 5, 6)]
    fixes = Bench().hear(rmc("000000.00"), *map(gga, hours))
    assert [fix.utc_s for fix in fixes] == [seconds("2026-01-01T00:00:00") + 6 * 3600 * i for i in range(len(hours))]


def test_a_late_gga_of_before_midnight_keeps_its_day():
    bench = Bench()
    fixes = bench.hear(gga("235958.00"), "GNZDA,235958.00,31,12,2026,00,00", gga("235959.00"), "GNZDA,000000.00,01,01,2027,00,00")
    assert [fix.utc_s for fix in fixes] == [seconds("2026-12-31T23:59:58"), seconds("2026-12-31T23:59:59")]
    assert bench.hear(gga("000000.00"))[-1].utc_s == seconds("2027-01-01T00:00:00")


def test_the_leap_second_is_of_the_day_that_ends():
    fixes = Bench().hear(
        *(rmc(time, date=day) for time, day in (("235959", "311226"), ("235960", "311226"), ("000000", "010127")))
    )
    assert [fix.tod_s for fix in fixes] == [86399, 86400, 0]
    assert [fix.utc_s for fix in fixes] == [seconds("2026-12-31T23:59:59"), *[seconds("2027-01-01T00:00:00")] * 2]


def test_without_a_date_there_is_the_time_of_the_day():
    [fix] = Bench().hear(gga())
    assert (fix.valid, fix.has_date, fix.utc_s, fix.tod_s, fix.date_doubtful) == (True, False, 0, 43200, False)


def test_zda_dates_a_receiver_without_rmc():
    fixes = Bench().hear(gga(), "GNZDA,120000.00,01,01,2026,00,00", gga("120001.00"))
    assert [fix.utc_s for fix in fixes] == [seconds("2026-01-01T12:00:00"), seconds("2026-01-01T12:00:01")]


def test_the_clock_of_a_receiver_without_a_fix_does_not_overrule_the_date_of_a_fix():
    fixes = Bench().hear(
        rmc(), rmc("120001.00", "V", date="060180", mode="N"), "GNZDA,120001.00,06,01,1980,00,00", gga("120002.00")
    )
    assert fixes[-1].utc_s == seconds("2026-01-01T12:00:02")


@pytest.mark.parametrize(
    ("date", "doubtful"),
    [
        *((date, True) for date in ("060180", "220899", "070419", "311223", "010136", "070236", "010180", "311279")),
        *((date, False) for date in ("010124", "311235")),
    ],
)
def test_dates_of_a_rollover_or_an_unset_clock_are_doubtful(date, doubtful):
    [fix] = Bench().hear(rmc(date=date))
    assert (fix.has_date, fix.date_doubtful) == (True, doubtful)


def test_a_receiver_that_was_off_has_no_date():
    bench = Bench()
    bench.hear(rmc())
    bench.receiver.forget()
    assert not bench.hear(gga("120001.00"))[-1].has_date


# --- whatever comes


@pytest.mark.slow
@given(st.lists(sentences.streams(), max_size=4))
def test_every_epoch_of_any_stream_can_be_stored(streams):
    bench = Bench()
    for data in streams:
        bench.receiver.feed(data, len(data))
    bench.receiver.idle()
    for seq, fix in enumerate(bench.epochs):
        assert -1 <= fix.tod_s <= 86400 and 0 <= fix.millis <= 999 and -1 <= fix.day < 47483
        if fix.valid:
            assert fix.tod_s >= 0 and fix.pos != (0, 0)
            assert abs(fix.pos[0]) <= 900000000 and abs(fix.pos[1]) <= 1800000000
            raw = bytearray(record.SIZE)
            lat_e7, lon_e7 = fix.pos
            details = (fix.speed_cms, fix.radius_dm, fix.course_deg, fix.satellites, fix.hdop_tenths)
            record.pack_fix(raw, seq, fix.utc_s, 0, fix.millis, lat_e7, lon_e7, *details, None)
            assert record.Record(raw).lat_e7 == fix.pos[0]
    state = bench.receiver.state
    assert state[nmea.ACCEPTED] >= len(bench.epochs) or not bench.epochs
