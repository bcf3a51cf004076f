"""A live receiver: its bytes come from a pseudo-terminal or a socket while the wall clock runs."""

import os
import socket
import threading
import time
import tty

import pytest

from sim.replay.live import LivePort
from sim.replay.replay import Progress
from sim.replay.source import open_source
from tests.brokers import wait_for
from tests.firmware.core.receivers import Sight, needs_micropython, pynmea2_fixes, sentence
from tests.sim.replay.test_receivers import E7, sight

TODAY = time.strftime("%d%m%y", time.gmtime())  # a receiver's date decides whether the tag's lease holds


def epoch(second: int) -> bytes:
    clock, where = f"1200{second:02d}.000", f"5043.{second:04d},N,00226.0000,W"
    return (
        sentence(f"GNGGA,{clock},{where},1,08,1.0,10.0,M,,M,,")
        + sentence("GPGSV,1,1,01,05,45,100,40")
        + sentence(f"GNRMC,{clock},A,{where},0.0,0.0,{TODAY},,,A")
    )


class Device:
    """The receiver's end of a line: prints an epoch each fifth of a second, as it likes, from `start` until `stop`."""

    def __init__(self, write) -> None:
        self._write = write
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._print, daemon=True)
        self.said = b""

    def start(self) -> None:
        self._thread.start()

    def _print(self) -> None:
        for second in range(60):
            data = epoch(second) + (b"\xb5\x62\x01\x07\x00\xff" if second % 3 == 0 else b"")
            for piece in (data[:50], data[50:]):
                self._write(piece)
                self.said += piece
            if self._stop.wait(0.2):
                return

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def terminal():
    """(master's descriptor, name of the line)"""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    for fd in (ours, theirs):
        try:
            os.close(fd)
        except OSError:
            pass


def test_pieces_keep_the_moment_at_which_they_came(terminal):
    ours, name = terminal
    port = open_source(name, 9600)
    assert isinstance(port, LivePort)
    try:
        taken: list[tuple[float, bytes]] = []
        began = time.monotonic()
        os.write(ours, b"one")
        wait_for(lambda: taken.extend(port.take()) or b"".join(data for _, data in taken) == b"one", "the first bytes")
        os.write(ours, b"two")
        wait_for(lambda: taken.extend(port.take()) or b"".join(data for _, data in taken) == b"onetwo", "the rest")
        moments = [moment for moment, _ in taken]
        assert moments == sorted(moments) and began <= moments[0] <= moments[-1] <= time.monotonic()
        assert port.ended == ""
    finally:
        port.close()


@needs_micropython
def test_what_a_live_receiver_says_is_stored_until_somebody_ends_it(terminal, play):
    ours, name = terminal
    device = Device(lambda data: os.write(ours, data))
    stored: list[int] = []

    def tick(progress: Progress) -> None:
        stored.append(progress.epochs)

    def is_stopped() -> bool:
        if stored and stored[-1] >= 10:
            device.stop()
            return True
        return False

    replayed = play(open_source(name), started=lambda run: device.start(), tick=tick, is_stopped=is_stopped)
    assert replayed.summary.is_good and not replayed.ended
    said = pynmea2_fixes(device.said)
    assert replayed.fixes[0], "nothing was stored"
    for fix in replayed.fixes[0]:
        assert any(sight(fix).is_near(Sight(known.tod_ms, known.lat, known.lon), E7) for known in said)
    times = [sight(fix).tod_ms for fix in replayed.fixes[0]]
    assert times == sorted(set(times)), "an epoch was cut in two"
    assert len(times) >= 9
    assert times == list(range(times[0], times[0] + len(times) * 1000, 1000)), "an epoch is missing"


@needs_micropython
def test_a_receiver_that_is_unplugged_ends_the_replay(play):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_source(f"socket://127.0.0.1:{server.getsockname()[1]}")
        line, _ = server.accept()
        with line:
            device = Device(line.sendall)

            def tick(progress: Progress) -> None:
                if progress.epochs >= 5:
                    device.stop()
                    line.close()

            replayed = play(port, started=lambda run: device.start(), tick=tick)
    assert replayed.ended
    assert replayed.summary.is_good
    assert len(replayed.fixes[0]) >= 4
