"""The rig `emulated`: an emulated Cortex-M3 (`hil_tests/emulated`), as the firmware's pure core, as a bare board, or as a tag.

The tag and its home unit run the firmware from their own `/main.py` and hang on a dock, `homeward dock`, all the time: that is
how their records get into the store, for neither has a network. What one shows by radio the other hears. Time is real.
"""

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from firmware.core.journal import read_all
from firmware.core.record import Record, seq_of
from hil_tests.emulated.board import ARCHITECTURE, EmulatedBoard
from hil_tests.emulated.build import missing
from hil_tests.emulated.desk import TAG, TAG_ID, UNIT, UNIT_ID, Desk
from hil_tests.rigs import RigSpec
from hil_tests.rigs.bench import RealClock
from hil_tests.rigs.cores import EmulatedCore
from hil_tests.rigs.ptyboard import PtyBoard
from hil_tests.rigs.rig import Rig
from hil_tests.rigs.sky import LiveGnss
from hil_tests.steps import Steps

# Of firmware/boards/tag_t_a7670_l76k.
_STRAP, _CASE, _CHARGER, _CELL = 32, 13, 39, 35
_GNSS_UART = 2
_DIVIDER = 2
_OFF_MS = 1_000  # how long a power cut lasts
_END_S = 30
_NEAR_DBM, _DEAF_DBM = -55, -100  # heard beside each other, and the weakest that is heard (our judgement)
_TICK_S = 0.01
_AWAKE_S = 3600  # the receiver, before the device was switched on
_TAG = frozenset({"clock", "store", "gnss", "radio", "strap", "case", "battery", "power", "flash", "zone"})
_WHY_NOT = {
    "charger": "its supply comes by the cable that it hands its records over",
    "mains": "without a network its home unit does not know the time",
    "network": "there is none",
}
_ZONE = (50.7250, -2.4367, 200)  # latitude, longitude, m


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

    return RigSpec("emulated", frozenset() if lacking else has, opened, dict.fromkeys(has, lacking) if lacking else _WHY_NOT)


@cache
def _loaded() -> tuple[Desk, tempfile.TemporaryDirectory[str]]:
    # Once for this process: all that is on the board before anything has happened to it.
    kept = tempfile.TemporaryDirectory(prefix="emulated-rig-")
    desk = Desk(Path(kept.name) / "desk")
    desk.load(TAG, UNIT)
    return desk, kept


@contextmanager
def _tag(folder: Path, steps: Steps) -> Iterator[Rig]:
    desk = Desk.copied(_loaded()[0], folder)
    circle = dict(zip(("lat", "lon", "radius_m"), _ZONE, strict=True))
    desk.wear([{"kind": "exclusion", "name": "zone", "circle": circle}])
    with ExitStack() as stack:
        clock = RealClock()
        steps.now_ms = lambda: clock.now_ms
        board, unit = desk.board(), desk.unit()
        radio = stack.enter_context(_Radio(steps, board, unit))
        for name, one in (("tag", board), ("unit", unit)):
            stack.enter_context(one)
            stack.callback(lambda name=name, one=one: steps.heard(name, "<", one.log))
        dock = desk.started("dock", *desk.store)
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
            radio=radio,
            zone=_Zone(),
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
        return [Record(raw) for raw in self._desk.records(UNIT_ID)]


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


class _Zone:
    lat_e7, lon_e7, radius_m = round(_ZONE[0] * 1e7), round(_ZONE[1] * 1e7), _ZONE[2]


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


class _Radio:
    """The air between boards, with an attenuator. A context manager: as long as it is open each hears what the others show."""

    def __init__(self, steps: Steps, *boards: EmulatedBoard) -> None:
        self._steps = steps
        self._boards = boards
        self._db = 0.0
        self._shown: dict[int, tuple[float, bytes, float]] = {}  # which board → interval in s, advertisement, when it is due
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        for i, board in enumerate(boards):
            board.on_advertise = lambda interval_us, data, i=i: self._shows(i, interval_us, data)

    def __enter__(self) -> "_Radio":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def attenuate(self, db: float) -> None:
        self._steps.note("attenuate", db=db)
        self._db = db

    def _shows(self, board: int, interval_us: int, data: bytes) -> None:
        self._shown.pop(board, None)
        if interval_us:
            self._shown[board] = interval_us / 1e6, data, time.monotonic()

    def _carry(self) -> None:
        while not self._over.wait(_TICK_S):
            for i, (interval_s, data, due) in list(self._shown.items()):
                now = time.monotonic()
                dbm = _NEAR_DBM - self._db
                if now >= due and self._shown.get(i) == (interval_s, data, due):
                    self._shown[i] = interval_s, data, now + interval_s
                    for other in self._boards:
                        if other is not self._boards[i] and other.is_on and dbm >= _DEAF_DBM:
                            other.hear(bytes([2, 0, 0, 0, 0, i]), round(dbm), data)


class _Gnss(LiveGnss):
    """The receiver model, awake all the time: the machine does not say whether it wants it."""

    def __init__(self, board: EmulatedBoard, clock: RealClock, steps: Steps) -> None:
        super().__init__(TAG_ID, clock, steps)
        self._board = board
        self._on_since = (round(time.time()) - _AWAKE_S) * 1000

    def speak(self) -> None:
        """Once a second: the epoch of the second that has just begun."""
        self._board.speak(_GNSS_UART, self._epoch(self._second(), self._on_since))
