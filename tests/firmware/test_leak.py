"""The applications keep no memory: after an errand and an hour out, in the heap of a microcontroller, as much is free as before.

The silicon's own timer looks, each minute of virtual time, at what is left after a collection; the firmware does not know.
"""

from dataclasses import replace
from pathlib import Path

import pytest

import sim.engine.run
from sim.engine.folder import RunFolder
from sim.engine.image import Image, build
from sim.engine.run import Options, Run
from sim.scenario import load

ERRAND = Path(__file__).parents[1] / "end_to_end" / "errand.yaml"
MINUTES = 72
OUT_MIN = 15  # by then who goes out is out: a tag on its own holds a connection, which one at home does not
LEAK_BYTES = 2048

_PROBE = """
    import gc

    def probe():
        gc.collect()
        print("free", _hw.now // 60000, gc.mem_free())
        _hw.call_at(_hw.now + 60000, probe)

    _hw.call_at(5 * 60000, probe)
"""
_START = "    try:\n        _hw.settle()"


def with_probe(folder: Path) -> Image:
    image = build(folder)
    text = image.boot.read_text()
    assert text.count(_START) == 1
    image.boot.write_text(text.replace(_START, _PROBE + _START))
    return replace(image, starts_cold=True)


def test_an_hour_later_as_much_memory_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sim.engine.run, "build", with_probe)
    with Run(load(ERRAND), RunFolder(tmp_path / "run"), Options(until_ms=(MINUTES + 1) * 60_000)) as run:
        run.live()
        for device in run.kernel.devices:
            lines = (device.folder / "console.log").read_text().splitlines()
            free = {int(line.split()[1]): int(line.split()[2]) for line in lines if line.startswith("free ")}
            assert len(lines) == len(free) and set(range(5, MINUTES + 1)) <= set(free), lines
            assert not device.crashes and device.lives == 1
            # What is in hand at one moment (a packet, a message being put together) is no leak: the best of three minutes.
            late = max(free[minute] for minute in range(MINUTES - 2, MINUTES + 1))
            for minute in (OUT_MIN, 30):
                assert late >= free[minute] - LEAK_BYTES, f"{device.name}: {free}"
            if device.name != "tag-000003":  # all the others are at home, as at the beginning
                assert late >= free[5] - LEAK_BYTES, f"{device.name}: {free}"
