"""A log is cut into epochs and loses nothing."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from sim.replay.log import Log
from tests.firmware.core.receivers import log, names, needs_logs, sentence


def rmc(clock: str, talker: str = "GP", date: str = "010626") -> bytes:
    return sentence(f"{talker}RMC,{clock},A,5043.0000,N,00226.0000,W,0.0,0.0,{date},,,A")


def gga(clock: str) -> bytes:
    return sentence(f"GPGGA,{clock},5043.0000,N,00226.0000,W,1,08,1.0,10.0,M,,M,,")


GSV = sentence("GPGSV,1,1,01,05,45,100,40")


def pieces(made: Log) -> list[bytes]:
    return [made.data[epoch.start : epoch.end] for epoch in made.epochs]


def test_an_epoch_is_all_sentences_of_one_time():
    first, second = gga("120000.00") + rmc("120000.00") + GSV, gga("120001.00") + rmc("120001.00") + GSV
    assert pieces(Log("x", first + second)) == [first, second]


def test_a_sentence_that_comes_again_with_the_same_time_begins_another_epoch():
    assert len(Log("x", rmc("120000") * 3).epochs) == 3
    assert len(Log("x", rmc("120000") + rmc("120000", "GN")).epochs) == 1


@pytest.mark.parametrize(
    ("times", "steps"),
    [
        (("120000", "120001", "120002"), [1000, 1000]),
        (("120000.0", "120000.2", "120000.4"), [200, 200]),
        (("235959", "000000"), [1000]),
        (("120000", "120030"), [30_000]),
        (("120000", "130000"), [1000]),  # an hour without a word is not waited for
        (("120000", "115900"), [1000]),  # nor does time go back
        (("", "", "120000"), [1000, 1000]),  # a receiver without a clock
    ],
)
def test_epochs_are_as_far_apart_as_they_say(times, steps):
    at = [epoch.at_ms for epoch in Log("x", b"".join(rmc(clock) for clock in times)).epochs]
    assert [b - a for a, b in pairwise(at)] == steps


def test_more_bytes_than_the_line_carries_in_the_time_take_longer():
    noise = bytes(64) * 1000
    slow = Log("x", rmc("120000") + noise + rmc("120001"))
    assert slow.epochs[1].at_ms > 64_000 / 11.52


def test_a_sentence_with_a_wrong_checksum_cuts_nothing():
    wrong = rmc("120007")[:-3] + b"\x00\r\n"
    assert len(Log("x", gga("120000") + wrong + rmc("120000")).epochs) == 1


def test_the_run_begins_at_the_first_date_with_a_fix():
    found = Log("x", GSV + sentence("GPRMC,120000,V,,,,,,,020626,,,N") + rmc("120001")).dates()
    assert [date.isoformat() for date in found] == ["2026-06-01T12:00:01+00:00"]
    assert list(Log("x", GSV).dates()) == []


@pytest.mark.parametrize(
    "data", [b"", b"hello\n" * 100, bytes(range(256)), b"$GPRMC,120000,A*00\r\n", b"$GPGGA,no checksum\r\n", b"$*00\r\n"]
)
def test_what_holds_no_sentence_is_refused_by_name(data):
    with pytest.raises(ConfigError, match=r"^some\.log: content: got .* expected .*NMEA sentences"):
        Log("some.log", data)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.binary(max_size=40), st.builds(rmc, st.from_regex(r"\A[0-9]{6}(\.[0-9]{1,3})?\Z")), st.just(GSV))))
def test_every_byte_goes_out_once_and_in_order(parts):
    made = Log("x", GSV + b"".join(parts))
    assert b"".join(pieces(made)) == made.data
    at = [epoch.at_ms for epoch in made.epochs]
    assert at == sorted(set(at)) and at[0] == 0


@needs_logs
@pytest.mark.parametrize("name", names())
def test_every_byte_of_a_real_log_goes_out(name):
    made = Log(name, log(name))
    assert b"".join(pieces(made)) == made.data
