"""A tag's steady loop leaves next to nothing behind, so that the collector has nothing to do for hours."""

from pathlib import Path

from sim.engine.image import build
from tests.firmware.core.interpreter import micropython
from tools.steady import steady_bytes_per_fix

ALLOWED = 64  # requirements of the firmware, as a 32-bit microcontroller counts


def test_a_fix_with_its_zones_and_its_record_allocates_at_most_64_bytes(tmp_path: Path):
    micropython()
    spent = steady_bytes_per_fix(build(tmp_path).firmware)
    print(f"{spent} bytes a fix on this interpreter, {spent / 2} on a 32-bit one")
    assert spent / 2 <= ALLOWED
