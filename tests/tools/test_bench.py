"""The bench says what it measured, by names that stay; and what must be exact is exact."""

import json
from pathlib import Path

from tools import bench


def test_a_sentence_costs_a_device_no_byte_of_its_heap():
    rows = {row["name"]: row for row in bench.device_rows(True)}
    assert rows["nmea.bytes_per_sentence"] == {"name": "nmea.bytes_per_sentence", "value": 0.0, "unit": "bytes"}
    assert {"nmea.us_per_sentence", "seal.us_per_record", "journal.append_us"} <= set(rows)
    assert all(row["value"] > 0 for name, row in rows.items() if name != "nmea.bytes_per_sentence")


def test_each_board_carries_its_own_application_and_not_the_others():
    sizes = {row["name"]: row["value"] for row in bench.mpy_rows(True)}
    assert set(sizes) == {"mpy.bytes.tag_t_a7670_l76k", "mpy.bytes.hmu_esp32_poe", "mpy.bytes.hmu_t_a7670"}
    assert all(20_000 < size < 200_000 for size in sizes.values())


def test_the_list_is_written_as_it_is_shown(tmp_path: Path, monkeypatch, capsys):
    row = {"name": "one.thing", "value": 12.5, "unit": "s"}
    for part in (
        "device_rows",
        "heap_rows",
        "energy_rows",
        "mpy_rows",
        "mcu_rows",
        "sim_rows",
        "fleet_rows",
        "bridge_rows",
        "flash_rows",
        "dock_rows",
    ):
        monkeypatch.setattr(bench, part, lambda quick, part=part, **_: iter([row] if part == "mpy_rows" else []))
    assert bench.run_bench(tmp_path / "bench.json") == [row]
    assert json.loads((tmp_path / "bench.json").read_text()) == [row]
    assert "one.thing" in capsys.readouterr().out
