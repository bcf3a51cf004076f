"""Rigs: what a bench can do to a device (`capabilities`), and the benches there are. `find_rig` says what one has, and opens it.

sim         a tag in the simulator: the firmware as it is flashed, on the simulator's silicon, in virtual time
emulated    an emulated Cortex-M3 (`hil_tests/emulated`): the firmware's pure core, a bare board, and a tag on a dock
FILE.toml   a bench: a real device, and drivers for what is wired to it (docs/bench.md)
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from hil_tests.rigs.rig import Rig
from hil_tests.steps import Steps


class RigError(Exception):
    """No such rig, or its file is wrong; the text says what is, or names those that there are."""


@dataclass(frozen=True)
class RigSpec:
    """`has` names its capabilities; `why_not` says why some are missing. `open(folder, steps, wanted)` gives the rig,
    switched on; it need have no more than what is wanted."""

    name: str
    has: frozenset[str]
    open: Callable[[Path, Steps, frozenset[str]], AbstractContextManager[Rig]]
    why_not: Mapping[str, str] = field(default_factory=dict)

    def lacking(self, wanted: tuple[str, ...]) -> str:
        """Those of the wanted that it lacks, with the reason where one is known; "" when it has them all."""
        missing = [name for name in wanted if name not in self.has]
        return ", ".join(f"{name} ({self.why_not[name]})" if name in self.why_not else name for name in missing)


def find_rig(name: str, firmware: Path | None = None) -> RigSpec:
    """`firmware`: an ELF for the emulated one, in place of our own. RigError when there is no rig of that name, or when the file
    that it names is wrong."""
    if name == "sim":
        from hil_tests.rigs.simulated import HAS, SimRig

        return RigSpec(name, HAS, SimRig)
    if name == "emulated":
        from hil_tests.rigs.emulated import emulated

        return emulated(firmware)
    if name.endswith(".toml"):
        from bridge.errors import ConfigError
        from hil_tests.rigs.bench import spec_of

        try:
            return spec_of(Path(name))
        except ConfigError as error:
            raise RigError(f"--rig: {error}") from None
    raise RigError(f"--rig: got {name!r}, expected sim, emulated or a file NAME.toml")
