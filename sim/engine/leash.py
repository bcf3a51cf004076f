"""Ends a run's services when the run itself is killed and can end nothing any more.

A small process of its own, out of reach of the terminal's signals. Its standard input is a pipe whose other end only the run
holds: when the run is gone, however it went, the pipe closes. Whoever is still there then of those that it was told of is
asked to end, and made to after a while. A process is known by its id and its time of birth: an id that was given again to
somebody else is left alone.
"""

import subprocess
import sys

import psutil

_GRACE_S = 10.0


class Leash:
    """`hold(pid)` for each process that may not outlive this one. `close` last, when all of them have ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sim.engine.leash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whoever reads the run's must not wait for this process
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def hold(self, pid: int | None) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{pid} {psutil.Process(pid).create_time()!r}\n".encode())
            self._process.stdin.flush()
        except (psutil.NoSuchProcess, BrokenPipeError):
            pass  # it has ended already, or the leash was cut: the run goes on without

    def close(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._process.wait()


def main() -> None:
    lines = sys.stdin.readlines()  # all of them are there when the pipe closes, and not before
    left = []
    for line in lines:
        pid, _, born = line.partition(" ")
        try:
            process = psutil.Process(int(pid))
            if process.create_time() == float(born):
                process.terminate()
                left.append(process)
        except (psutil.NoSuchProcess, ValueError):
            continue
    for process in psutil.wait_procs(left, _GRACE_S)[1]:
        process.kill()


if __name__ == "__main__":
    main()
