"""The warm parent of all device processes: a small CPython that has the interpreter loaded and does nothing but fork.

It is a process of its own so that what is forked is small and has no threads. Started as `python -m sim.engine.zygote FD`;
over the socket FD comes, for each device, a JSON list of arguments with three descriptors (pipe in, pipe out, error log);
back goes a JSON line `{"spawned": pid}` or, when a device ends, `{"ended": pid, "status": n}`.
"""

import json
import os
import select
import signal
import socket
import sys

_INTERPRETER_ARGUMENTS = ["micropython", "-X", "heapsize=128wK"]  # 128 K words: a 128 KiB heap on a 32-bit MCU


def main(fd: int) -> None:
    import micropython_run  # the interpreter, as a library: loaded once, here

    control = socket.socket(fileno=fd)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's; it ends this process by closing the socket
    signal.set_wakeup_fd(wake_write)
    while True:
        ready, _, _ = select.select([control, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            _report_ended(control)
        if control in ready:
            try:
                message, fds, _, _ = socket.recv_fds(control, 65536, 3)
            except ConnectionResetError:
                return
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                _become_device(micropython_run.run_main, json.loads(message), fds)
            for received in fds:
                os.close(received)
            _send(control, {"spawned": pid})


def _become_device(run_main, arguments: list[str], fds: list[int]) -> None:
    pipe_in, pipe_out, log = fds
    os.dup2(log, 1)
    os.dup2(log, 2)
    script, rest = arguments[0], arguments[1:]
    status = 1
    try:
        status = run_main([*_INTERPRETER_ARGUMENTS, script, str(pipe_in), str(pipe_out), *rest])
    finally:
        os._exit(status & 0xFF)


def _report_ended(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _send(control, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _send(control: socket.socket, message: dict[str, int]) -> None:
    try:
        control.sendall(json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
