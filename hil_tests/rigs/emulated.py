"""The rig `emulated`: an emulated Cortex-M3 (`hil_tests/emulated`), as the firmware's pure core, as a bare board, or as a tag.

The tag runs the firmware from its own `/main.py` and hangs on a dock, `homeward dock`, all the time: that is how its records get
into the store, for it has neither a network nor a home unit. Time is real. Somebody wears it who may go anywhere but for a zone.
"""

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from firmware.core.journal import read_all
from firmware.core.record import Record, seq_of
from hil_tests.emulated.board import ARCHITECTURE, EmulatedBoard
from hil_tests.emulated.build import missing
from hil_tests.emulated.desk import TAG_ID, Desk
from hil_tests.rigs import RigSpec
from hil_tests.rigs.bench import RealClock
from hil_tests.rigs.cores import EmulatedCore
from hil_tests.rigs.ptyboard import PtyBoard
from hil_tests.rigs.rig import Rig
from hil_tests.rigs.sky import BenchSky
from hil_tests.steps import Steps

# Of firmware/boards/tag_t_a7670_l76k.
_STRAP, _CASE, _CHARGER, _CELL = 32, 13, 39, 35
_GNSS_UART = 2
_DIVIDER = 2
_OFF_MS = 1_000  # how long a power cut lasts
_END_S = 30
_TAG = frozenset({"clock", "store", "gnss", "strap", "case", "charger", "battery", "power", "flash"})


def emulated(firmware: Path | None) -> RigSpec:
    """Without its programs it has nothing, and says which they are. On an ELF of one's own only the core is asked for."""
    has = frozenset({"core"}) if firmware else frozenset({"core", "board"}) | _TAG
    lacking = missing(firmware)

    @contextmanager
    def opened(folder: Path, steps: Steps, wanted: frozenset[str]) -> Iterator[Rig]:
        if wanted & _TAG:
            with _tag(folder / "rig", steps) as rig:
                yield rig
        elif "board" in wanted:
            with PtyBoard(folder / "rig", steps, EmulatedBoard, ARCHITECTURE) as board:
                yield Rig("emulated", board=board)
        else:
            yield Rig("emulated", core=EmulatedCore(firmware))

    return RigSpec("emulated", frozenset() if lacking else has, opened, dict.fromkeys(has, lacking) if lacking else {})


@cache
def _loaded() -> tuple[Desk, tempfile.TemporaryDirectory[str]]:
    # Once for this process: all that is on the board before anything has happened to it.
    kept = tempfile.TemporaryDirectory(prefix="emulated-rig-")
    desk = Desk(Path(kept.name) / "desk")
    desk.load()
    return desk, kept


@contextmanager
def _tag(folder: Path, steps: Steps) -> Iterator[Rig]:
    desk = Desk.copied(_loaded()[0], folder)
    desk.wear()
    with ExitStack() as stack:
        clock = RealClock()
        steps.now_ms = lambda: clock.now_ms
        board = stack.enter_context(desk.board())
        stack.callback(lambda: steps.heard("board", "<", board.log))
        dock = desk.started("dock", *desk.store, *desk.port)
        stack.callback(lambda: dock.wait(_END_S))
        stack.callback(lambda: dock.send_signal(signal.SIGINT))
        gnss = _Gnss(board, clock, steps)
        clock.each_second.append(gnss.speak)
        hands = board, clock, steps
        yield Rig(
            "emulated",
            clock=clock,
            store=_Store(desk),
            gnss=gnss,
            strap=_Strap(*hands),
            case=_Case(*hands),
            charger=_Charger(*hands),
            battery=_Battery(*hands),
            power=_Power(*hands),
            flash=_Flash(*hands),
        )


class _Store:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def stored(self) -> list[Record]:
        return [Record(raw) for raw in self._desk.records()]

    def of_unit(self) -> list[Record]:
        return []


class _Part:
    def __init__(self, board: EmulatedBoard, clock: RealClock, steps: Steps) -> None:
        self._board, self._clock, self._steps = board, clock, steps

    def _set(self, what: str, pin: int, level: int) -> int:
        self._steps.note(what)
        self._board.set_pin(pin, level)
        return self._clock.now_ms


class _Strap(_Part):
    def cut(self) -> int:
        return self._set("strap cut", _STRAP, 1)

    def close(self) -> int:
        return self._set("strap closed", _STRAP, 0)


class _Case(_Part):
    def open(self) -> int:
        return self._set("case opened", _CASE, 1)

    def close(self) -> int:
        return self._set("case closed", _CASE, 0)


class _Charger(_Part):
    def plug(self) -> int:
        return self._set("charger plugged", _CHARGER, 1)

    def unplug(self) -> int:
        return self._set("charger unplugged", _CHARGER, 0)


class _Battery(_Part):
    def set_millivolts(self, millivolts: int) -> None:
        self._steps.note("battery", mv=millivolts)
        self._board.set_microvolts(_CELL, millivolts * 1000 // _DIVIDER)


class _Power(_Part):
    def cut(self) -> int:
        self._steps.note("power: cut")
        self._board.power_off()
        at_ms = self._clock.now_ms
        self._clock.advance(_OFF_MS)
        self._board.power_on()
        return at_ms


class _Flash(_Part):
    def held(self) -> dict[int, bytes]:
        with self._board.partition("journal") as device:
            return {seq_of(raw): raw for raw in read_all(device)}


class _Gnss:
    """The receiver model, awake all the time: the machine does not say whether it wants it."""

    def __init__(self, board: EmulatedBoard, clock: RealClock, steps: Steps) -> None:
        self._board, self._clock, self._steps = board, clock, steps
        self._sky = BenchSky(TAG_ID)
        self._on_since = round(time.time()) * 1000
        self._fixed_at: int | None = None

    def inject(self, lat_e7: int, lon_e7: int) -> None:
        self._steps.note("inject", lat_e7=lat_e7, lon_e7=lon_e7)
        self._sky.position = lat_e7, lon_e7

    def no_fix(self) -> None:
        self._steps.note("no fix")
        self._sky.position = None

    def speak(self) -> None:
        """Once a second: the epoch of the second that has just begun."""
        utc_ms = self._clock.utc_ms(self._clock.now_ms) // 1000 * 1000
        age_ms = None if self._fixed_at is None else utc_ms - self._fixed_at
        data, has_fix = self._sky.epoch(utc_ms, self._on_since, age_ms)
        self._board.speak(_GNSS_UART, data)
        if has_fix:
            self._fixed_at = utc_ms
