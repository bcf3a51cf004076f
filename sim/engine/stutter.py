"""A process that really is slow: stopped and let go again, many times a second.

How slow a program is to the devices is told in virtual time (`net.Network.late`); this is so that what it does when it gets
behind is real as well. It never stops for longer than a hold lasts.
"""

import os
import signal
import threading
from collections.abc import Callable

_STOPPED_S = 0.12
_GOES_S = 0.04


class Stutter:
    """`pid()` says which process, None when there is none. Always `end` it: the process is then left running."""

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid
        self._over = threading.Event()
        self.stops = 0
        self._thread = threading.Thread(target=self._run, name="stutter", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(_GOES_S):
            pid = self._pid()
            if pid is None or not _tell(pid, signal.SIGSTOP):
                continue
            self.stops += 1
            self._over.wait(_STOPPED_S)
            _tell(pid, signal.SIGCONT)

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _tell(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
