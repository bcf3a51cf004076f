"""The compiled firmware, also for hosts that MicroPython makes no machine code for."""

import subprocess
import sys
from pathlib import Path

import pytest

from sim.engine import image

INTERPRETER = Path(sys.executable).with_name("micropython")
SENTENCE = "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"  # the example of every NMEA manual
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from firmware.core.gnss import Receiver
seen = []
receiver = Receiver(lambda fix: seen.append((fix.valid, fix.tod_s, fix.pos[0], fix.pos[1])))
line = sys.argv[2].encode() + b"\\r\\n"
receiver.feed(line, len(line))
receiver.idle()
print(seen)
"""


@pytest.mark.parametrize("architecture", ["", None], ids=["without machine code", "as on this host"])
def test_the_same_fix_comes_out_with_machine_code_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str | None
) -> None:
    if not INTERPRETER.exists():
        pytest.skip("no MicroPython interpreter for this platform")
    if architecture is not None:
        monkeypatch.setattr(image, "host_architecture", lambda: architecture)
    built = image.build(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([INTERPRETER, script, built.firmware, SENTENCE], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[(True, 45319, 481173000, 115166667)]", done.stderr


def test_a_module_that_does_not_compile_is_named(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    source.write_text("def f(:\n")
    with pytest.raises(image.ImageError, match=r"broken\.py"):
        image.compile_module(source, tmp_path / "broken.mpy", "broken.py", image.host_architecture())
