"""A whole bench without hardware: a tag's board on a pseudo-terminal that runs the firmware, wired to a fixture's pins, a relay
and a receiver's port as docs/bench.md has it, and a dock that stores what it hands over. Time is real."""

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hil_tests.drivers.ptys import PtyPair
from sim.board.board import Board
from sim.engine.folder import RunFolder
from sim.silicon import _channels as ch
from tests.hil_tests.peers import fixture_board
from tests.tools.cabled import TAG, scheme_of, tag_on_a_cable
from tests.tools.commands import started

STRAP, GNSS_UART, GNSS_WAKEUP = 32, 2, 19  # of the tag's board
_CHUNK = 200  # bytes of a UART in one item
_TOML = """
name = "box"
[device]
name = "{tag}"
[store]
file = "run/store.db"
[drivers.board]
kind = "fixture"
port = "{fixture}"
[drivers.relays]
kind = "relay"
port = "{relays}"
channels = 2
[drivers.sky]
kind = "receiver"
port = "{sky}"
[gnss]
driver = "sky"
awake = {{driver = "board", channel = "17"}}
[strap]
driver = "board"
channel = "16"
inverted = true
[radio]
driver = "board"
channels = ["2", "3", "4", "5", "6", "7"]
[power]
driver = "relays"
channel = "1"
inverted = true
"""


class Solder:
    """The wires between the fixture's pins, the relay, the receiver's port and the tag's board."""

    def __init__(self, board: Board, wires: Path) -> None:
        self._board, self._wires = board, wires
        self.relays, self.sky = PtyPair(), PtyPair()
        self._ends = threading.Event()
        self._strap = ""
        self._wire(GNSS_WAKEUP, False)
        board.on_output = self._heard
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self.relays.close()
        self.sky.close()

    def _heard(self, channel: int, sub: int, payload: bytes) -> None:
        if channel == ch.PIN_OUT and sub == GNSS_WAKEUP:
            self._wire(sub, bool(payload[0]))

    def _wire(self, pin: int, level: bool) -> None:
        (self._wires / "17").write_text("1" if level else "0")

    def _run(self) -> None:
        while not self._ends.is_set():
            ready, _, _ = select.select([self.relays.fd, self.sky.fd], [], [], 0.01)
            if self.relays.fd in ready and (frame := self.relays.read_available()):
                assert len(frame) % 4 == 0, frame
                for at in range(0, len(frame), 4):
                    self._relay(frame[at : at + 4])
            if self.sky.fd in ready and (data := self.sky.read_available()):
                for at in range(0, len(data), _CHUNK):
                    self._board.push(ch.UART_RX, GNSS_UART, data[at : at + _CHUNK])
            self._strap_is(self._read("16"))

    def _relay(self, frame: bytes) -> None:
        assert frame[0] == 0xA0 and frame[3] == sum(frame[:3]) & 0xFF, frame
        if frame[1] == 1:  # its contact opens the tag's supply
            (self._board.power_off if frame[2] else self._board.power_on)()

    def _strap_is(self, level: str) -> None:
        if level and level != self._strap:
            self._strap = level
            self._board.set_pin(STRAP, int(level == "1"))

    def _read(self, wire: str) -> str:
        path = self._wires / wire
        return path.read_text() if path.exists() else ""


@contextmanager
def bench_in_a_box(folder: Path) -> Iterator[Path]:
    """The bench's TOML file."""
    with ExitStack() as stack:
        run = RunFolder(folder / "run")
        run.write_bridge_settings(1, "wall")
        scheme_of(run)
        board = stack.enter_context(tag_on_a_cable(run, 0))
        wires = folder / "wires"
        wires.mkdir()
        fixture = stack.enter_context(fixture_board(wires))
        solder = Solder(board, wires)
        stack.callback(solder.close)
        dock = started("dock", "--store", run.path / "bridge.toml", "--port", board.port, cwd=run.path)
        stack.callback(dock.wait, 20)
        stack.callback(dock.send_signal, signal.SIGINT)
        path = folder / "box.toml"
        path.write_text(_TOML.format(tag=TAG, fixture=fixture, relays=solder.relays.name, sky=solder.sky.name))
        yield path
