"""The warm parent of all device processes: a small CPython with the interpreter loaded, which does nothing but fork.

It is a process of its own so that what is forked is small and has no threads. Started as `python -m sim.engine.zygote FD BOOT
FIRMWARE APPLICATION`; over the socket FD comes, for each device, a JSON list of arguments with three descriptors (pipe in, pipe
out, error log); back goes a JSON line `{"spawned": pid}` or, when a device ends, `{"ended": pid, "status": n}`.

With an APPLICATION the interpreter runs already, has imported all that it needs, and waits in a read for the arguments of a
device: importing takes 50 times as long as forking. Requests and ends of children come as a signal then, whose handler forks
in the middle of that read; in the child the read ends, with what comes from a pipe of the child's own. A device that is started
cold, with an empty APPLICATION, imports for itself, and its heap is laid out as on a board.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import threading

_INTERPRETER = ["micropython", "-X", "heapsize=128wK"]  # 128 K words: a 128 KiB heap on a 32-bit MCU
# The same with TLS: its buffers, which a board has outside of this heap (ESP-IDF's mbedTLS), take 20 KiB of it here.
_WITH_TLS = ["micropython", "-X", "heapsize=148wK"]
# A device that starts warm has no board's layout to keep.
_ROOMY = ["micropython", "-X", "heapsize=160wK"]


_ROOM = ctypes.create_string_buffer(16384)  # for the silicon's buffers, which are not in a device's heap: each child has its own


class _Parent:
    """What both kinds do: fork for a request, and report ends."""

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)
        self._control = control

    def requests(self):
        """Each (arguments, descriptors) that waits. Ends this process when nobody asks any more."""
        while True:
            try:
                message, fds, _, _ = socket.recv_fds(self._control, 65536, 3)
            except BlockingIOError:
                return
            except ConnectionResetError:
                os._exit(0)
            if not message:
                os._exit(0)
            yield json.loads(message), fds

    def fork(self, fds: list[int]) -> bool:
        """True in the child, which keeps the descriptors."""
        pid = os.fork()
        if pid == 0:
            self._control.close()
            return True
        for fd in fds:
            os.close(fd)
        self._send({"spawned": pid})
        return False

    def report_ended(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._send({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _send(self, message: dict[str, int]) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            try:
                data = data[self._control.send(data) :]
            except BlockingIOError:
                select.select([], [self._control], [])
            except BrokenPipeError:
                os._exit(0)


def _print_to(log: int) -> None:
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def cold(control: socket.socket, boot: str, firmware: str) -> None:
    """Fork before the interpreter starts."""
    import micropython_run  # the interpreter, as a library: loaded once, here

    parent = _Parent(control)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    while True:
        ready, _, _ = select.select([control, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            parent.report_ended()
        for arguments, fds in parent.requests() if control in ready else ():
            if parent.fork(fds):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                pipe_in, pipe_out, log = fds
                _print_to(log)
                status = 1
                try:
                    interpreter = _WITH_TLS if os.path.exists(f"{arguments[0]}/homeward.cert.nvs") else _INTERPRETER
                    status = micropython_run.run_main([*interpreter, boot, firmware, str(pipe_in), str(pipe_out), *arguments])
                finally:
                    os._exit(status & 0xFF)


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)


class _Sigaction(ctypes.Structure):
    """`struct sigaction` of Linux x86-64 with glibc, and of macOS."""

    if sys.platform == "darwin":
        _fields_ = (("handler", _HANDLER), ("mask", ctypes.c_uint32), ("flags", ctypes.c_int))
    else:
        _fields_ = (
            ("handler", _HANDLER),
            ("mask", ctypes.c_ulong * 16),
            ("flags", ctypes.c_int),
            ("restorer", ctypes.c_void_p),
        )


_SA_RESTART = 0x2 if sys.platform == "darwin" else 0x10000000


def warm(control: socket.socket, boot: str, firmware: str, application: str) -> None:
    """Fork from within the interpreter, while it waits for what device it is to be."""
    import micropython_run

    parent = _Parent(control)
    orders, orders_write = os.pipe()  # the parent's own stays empty
    ready, ready_write = os.pipe()  # the interpreter says that it has imported everything
    os.set_blocking(ready, False)
    is_ready = threading.Event()

    def attend(_: int) -> None:
        if not is_ready.is_set():
            try:
                os.read(ready, 1)
            except BlockingIOError:
                return
            is_ready.set()
        parent.report_ended()
        for arguments, fds in parent.requests():
            if parent.fork(fds):
                _catch(signal.SIG_DFL)
                os.close(orders_write)
                pipe_in, pipe_out, log = fds
                _print_to(log)
                words = "\0".join([str(pipe_in), str(pipe_out), *arguments]).encode()
                read, write = os.pipe()
                os.write(write, b"%5d" % len(words) + words)
                os.close(write)
                os.dup2(read, orders)
                os.close(read)
                return

    handler = _HANDLER(attend)
    _catch(handler)
    for fd in (control.fileno(), ready):
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    status = 1
    try:
        status = micropython_run.run_main([*_ROOMY, boot, firmware, str(orders), str(ready_write), application])
    finally:
        os._exit(status & 0xFF)


def _catch(handler) -> None:
    """Have both signals handled by C itself, for CPython's own handlers wait until it interprets again, and each to the end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if handler == signal.SIG_DFL:
        for number in (signal.SIGIO, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        return
    action = _Sigaction()
    action.handler = handler
    action.flags = _SA_RESTART
    bits = sum(1 << number - 1 for number in (signal.SIGIO, signal.SIGCHLD))
    if sys.platform == "darwin":
        action.mask = bits
    else:
        action.mask[0] = bits
    for number in (signal.SIGIO, signal.SIGCHLD):
        if libc.sigaction(int(number), ctypes.byref(action), None):
            raise OSError(ctypes.get_errno(), "sigaction")


def main(fd: str, boot: str, firmware: str, application: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's; it ends this process by closing the socket
    os.environ["HOMEWARD_ROOM"] = f"{ctypes.addressof(_ROOM)} {ctypes.sizeof(_ROOM)}"
    control = socket.socket(fileno=int(fd))
    if application:
        warm(control, boot, firmware, application)
    else:
        cold(control, boot, firmware)


if __name__ == "__main__":
    main(*sys.argv[1:5])
