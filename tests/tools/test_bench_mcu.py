"""The microcontroller's rows: what the firmware promises, by names that stay, and the table beside what others take."""

import io

import pytest
from rich.console import Console

from hil_tests.emulated.build import missing
from tools import bench, bench_mcu


@pytest.mark.skipif(bool(missing()), reason=f"the emulated microcontroller: {missing()}")
def test_the_rows_that_are_promised_are_there_and_within_what_is_promised():
    rows = {row["name"]: row["value"] for row in bench.mcu_rows(True)}
    assert 1_000 < rows["mcu.nmea_instructions_per_sentence"] <= 10_000
    assert rows["mcu.nmea_bytes_per_sentence"] == 0
    assert 100_000 < rows["mcu.zones64_instructions"] <= 1_600_000
    assert 1_000 < rows["mcu.zones64_far_instructions"] <= 100_000
    out = io.StringIO()
    table = bench_mcu.peers(rows)
    assert table is not None
    Console(file=out, width=120).print(table)
    assert "micropyGPS" in out.getvalue() and "Homeward" in out.getvalue()


def test_without_its_programs_the_bench_says_what_is_missing_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr("hil_tests.emulated.build.missing", lambda firmware=None: "qemu-system-arm not found")
    assert list(bench.mcu_rows(True)) == []
    assert "mcu: left out, qemu-system-arm not found" in capsys.readouterr().err
    assert bench_mcu.peers({}) is None
