"""A board at the end of a cable, for rigs without hardware: MicroPython at a pseudo-terminal, as it comes from its maker."""

import os
from collections.abc import Callable
from pathlib import Path

from hil_tests.steps import Steps
from sim.board.board import Board
from sim.board.served import Served
from sim.engine.image import host_architecture
from tools.board.ports import REGISTRY


class PtyBoard:
    """A context manager. Its serial number is of this process, for boards are locked by it. `make` and `architecture`: another
    machine than the unix port of MicroPython, and what its processor is."""

    kind = "tag_t_a7670_l76k"

    def __init__(self, folder: Path, steps: Steps, make: Callable[..., Served] = Board, architecture: str | None = None) -> None:
        self.serial = f"HIL{os.getpid()}"
        registry = folder / "registry"
        registry.mkdir(parents=True)
        self.environment = {REGISTRY: str(registry)}
        self.architecture = host_architecture() if architecture is None else architecture
        self._steps = steps
        self._board = make(folder / "board", self.serial, registry=registry)

    def __enter__(self) -> "PtyBoard":
        self._board.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.heard("board", "<", self._board.log)
        self._board.close()

    def cut_power(self) -> None:
        self._steps.note("power cut")
        self._board.power_off()
        self._board.power_on()
