"""Rigs: what a bench can do to a device (`capabilities`), and the benches there are. `open_rig(name, folder)` makes one.

`sim` is a device in the simulator: the firmware as it is flashed, on the simulator's silicon, in virtual time.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class RigError(Exception):
    """No such rig; the text names those that there are."""


def rigs() -> dict[str, Callable[..., AbstractContextManager[Any]]]:
    from hil_tests.rigs.simulated import SimRig

    return {"sim": SimRig}


def rig_class(name: str) -> Callable[..., AbstractContextManager[Any]]:
    """The rig of that name, to be called with a folder. RigError when there is none."""
    known = rigs()
    if name not in known:
        raise RigError(f"--rig: got {name!r}, expected one of: {', '.join(sorted(known))}")
    return known[name]
