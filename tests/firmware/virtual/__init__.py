"""The firmware's tasks in virtual time, in one process: `run_virtual` starts a script on the interpreter with this folder's
modules and the silicon's `time`, `select` and tasks in the place of the hardware. MicroPython but for this file.
"""

from pathlib import Path

from tests.firmware.core.interpreter import ROOT, run

_BEGIN = f"""
sys.path.insert(0, {str(ROOT / "sim" / "silicon")!r})
sys.path.insert(0, {str(Path(__file__).parent)!r})
import _hw, _tasks
sys.modules["_asyncio"] = _tasks
import asyncio, time
"""


def run_virtual(script: str, heap: str = "1024wK") -> list[str]:
    """The lines it prints. The heap is larger than a device's: sources are compiled in it, and a household shares it."""
    return run(_BEGIN + script, heap=heap)
