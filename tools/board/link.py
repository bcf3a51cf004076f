"""Talking to MicroPython on a board: mpremote's transport, with a time limit on everything and a check on what is said.

    with Link(find_port("PTY-000001")) as link:
        link.enter()                                # interrupts what runs; a fresh heap
        link.run("import os\\nr = os.listdir('/')")   # → ["main.py", …]
        link.write_file("/a/x.mpy", data)
        link.reset()                                # and out

What goes either way carries a CRC: noise on the line makes a LinkError, never a wrong byte on the board. After a LinkError
`reopen` and `enter` again; what was done is done.
"""

import ast
import binascii
import hashlib
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from bridge.carriers.cable import GONE
from tools.board.errors import BoardError, DeviceError, LinkError, SilentError, VanishedError
from tools.board.locks import BoardLock, holder, in_use
from tools.board.ports import Port, find_port

NAMESPACE = "homeward"  # of the settings store: firmware/boards
_RAW = b"raw REPL; CTRL-B to exit\r\n"
_CHUNK = 2048  # bytes of a file in one go: a heap of 128 KiB has room for it three times over

_CHECKED = """import binascii as _b
_c=_b.a2b_base64(b"%s")
if _b.crc32(_c)!=%d:raise ValueError("garbled")
r=None
exec(_c)
_c=repr(r)
print("%%08x"%%_b.crc32(_c),_c)
"""

# Bytes 0x80 and more are escaped by repr, so what comes back is ASCII.
# Collecting often keeps what stays together: answers of 10 KiB must find room in a heap of 128 KiB.
_TOOLS = """import os,gc
gc.threshold(2048)
_w=None
def _fed():
 if _w:
  _w.feed()
def _open(path):
 global _f
 _f=open(path,"wb")
def _put(at,data):
 _fed()
 _f.seek(at)
 _f.write(data)
def _sha(path):
 import hashlib
 _fed()
 h=hashlib.sha256()
 b=bytearray(1024)
 m=memoryview(b)
 try:
  f=open(path,"rb")
 except OSError:
  return None
 while True:
  n=f.readinto(b)
  if not n:
   break
  h.update(m[:n])
 f.close()
 return binascii.hexlify(h.digest()).decode()
import binascii
"""


class _Transport(SerialTransport):
    """mpremote's, waiting in the read itself and saying nothing on standard output."""

    serial: serial.Serial
    patience_s = 10.0  # where mpremote has no other

    def read_until(  # type: ignore[override]
        self,
        min_num_bytes: int,
        ending: bytes,
        timeout: float | None = -1,  # mpremote's own calls: `patience_s`
        data_consumer: Callable[[bytes], object] | None = None,
        timeout_overall: float | None = None,
    ) -> bytes:
        data = bytearray()
        timeout = self.patience_s if timeout == -1 else timeout
        deadline = None if timeout_overall is None else time.monotonic() + timeout_overall
        while not data.endswith(ending):
            wait = (
                timeout if deadline is None else min(1e9 if timeout is None else timeout, max(deadline - time.monotonic(), 0.0))
            )
            self.serial.timeout = wait
            new = self.serial.read(1)
            if not new:
                break
            if data_consumer:
                data_consumer(new)
                data[:] = new
            else:
                data += new
        return bytes(data)

    def exec_raw_no_follow(self, command):
        """Raw paste mode alone: every MicroPython since 1.14 has it."""
        if not self.read_until(1, b">").endswith(b">"):
            raise TransportError("no prompt")
        self.serial.timeout = self.patience_s
        self.serial.write(b"\x05A\x01")
        if self.serial.read(2) != b"R\x01":
            raise TransportError("no raw paste mode")
        self.raw_paste_write(command)


class Link:
    """A context manager: locks the board and opens its port. BoardError when another program has it, or it cannot be opened.

    `timeout_s`: how long a board may be silent within an answer. Its methods raise LinkError for whatever the line does, and
    DeviceError for an exception on the board.
    """

    def __init__(self, port: Port | str, baud: int = 115200, timeout_s: float = 10.0) -> None:
        self.port = find_port(port) if isinstance(port, str) else port
        self.bytes_sent = 0
        """Of files, as they are on the board."""
        self._baud = baud
        self._timeout_s = timeout_s
        self._lock = BoardLock(self.port)
        self._transport: _Transport | None = None
        self._has_tools = False

    def __enter__(self) -> "Link":
        self._lock.__enter__()
        try:
            self._open()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._close()
        self._lock.__exit__(kind, error, traceback)

    # The port

    def _open(self) -> None:
        device = self.port.device
        other = holder(device)
        if other:
            raise in_use(self.port, other)
        try:
            self._transport = _Transport(device, self._baud, timeout=self._timeout_s)
            self._transport.patience_s = self._timeout_s
            self._transport.serial.write_timeout = self._timeout_s
        except (*GONE, TransportError, ValueError) as error:
            self._transport = None
            raise self._cannot_open(error) from None

    def _cannot_open(self, error: Exception) -> BoardError:
        # mpremote says only that it failed: pyserial has the reason.
        device = self.port.device
        if "://" in device:
            return VanishedError(self.port.name, f"cannot be opened: {error}")
        if not os.path.exists(device) and os.name != "nt":
            return VanishedError(self.port.name, f"the port {device} is not there: is the board plugged in?")
        try:
            serial.Serial(device, self._baud, exclusive=True).close()
        except GONE as reason:
            if getattr(reason, "errno", None) == 13:
                return BoardError(self.port.name, f"no permission to open {device}: add yourself to its group (dialout, uucp)")
            if "lock" in str(reason):
                return in_use(self.port, holder(device))
            return VanishedError(self.port.name, f"{device} cannot be opened: {reason}")
        return LinkError(self.port.name, f"{device} could not be opened for a moment")

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        self._has_tools = False
        if transport is not None:
            try:
                transport.close()
            except GONE:
                pass  # it has vanished

    def close_port(self) -> None:
        """For another program's turn; the board stays locked. `reopen` afterwards."""
        self._close()

    def reopen(self, within_s: float = 10.0) -> None:
        """After the port has vanished: wait for the board to come back, under whatever name. VanishedError when it does not."""
        self._close()
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.port = find_port(self.port.serial_number or self.port.device)
                self._open()
                return
            except BoardError as error:
                if time.monotonic() >= deadline:
                    raise VanishedError(
                        self.port.name, f"the port has vanished, and not come back within {within_s:.0f} s"
                    ) from error
            time.sleep(0.05)

    def _do(self, function: Callable[["_Transport"], Any]) -> Any:
        transport = self._transport
        if transport is None:
            raise VanishedError(self.port.name, "the port has vanished")
        try:
            return function(transport)
        except serial.SerialTimeoutException:
            raise LinkError(self.port.name, "the board takes no more bytes") from None
        except (*GONE, TypeError) as error:
            # TypeError: pyserial's own, when its port was closed under it.
            self._close()
            raise VanishedError(self.port.name, f"the port has vanished ({error})") from None
        except TransportError as error:
            raise LinkError(self.port.name, f"garbled, or silent for {self._timeout_s:.0f} s ({error})") from None
        except (ValueError, IndexError, UnicodeError) as error:
            raise LinkError(self.port.name, f"garbled ({error})") from None

    # The REPL

    def enter(self, soft_reset: bool = True, timeout_s: float = 4.0) -> None:
        """Interrupt what runs and take the raw REPL; with a soft reset, on a fresh heap. LinkError when nothing answers.

        Where the line has modem control, a board that does not answer is reset by it once, as esptool does it.
        """
        self._has_tools = False
        for pulses in (False, True):
            if pulses:
                self._pulse_reset()
            if self._interrupt(timeout_s):
                break
        else:
            raise SilentError(
                self.port.name, f"nothing answers at {self._baud} baud within {timeout_s:.0f} s: is it a board with MicroPython?"
            )
        if soft_reset:
            self._do(lambda t: t.serial.write(b"\x04"))
            heard = self._do(lambda t: t.read_until(1, b"soft reboot\r\n", timeout=timeout_s, timeout_overall=timeout_s))
            if not heard.endswith(b"soft reboot\r\n"):
                raise LinkError(self.port.name, "no soft reset")
            heard = self._do(lambda t: t.read_until(1, _RAW, timeout=timeout_s, timeout_overall=timeout_s))
            if not heard.endswith(_RAW):
                raise LinkError(self.port.name, "no raw REPL after a soft reset")

    def _interrupt(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # Twice: the first may end a handler of the program's own. Ctrl-B first would leave a paste that was cut short.
            self._do(lambda t: t.serial.write(b"\r\x03\x03"))
            time.sleep(0.02)
            self._do(lambda t: t.serial.reset_input_buffer())
            self._do(lambda t: t.serial.write(b"\r\x01"))
            heard = self._do(lambda t: t.read_until(1, _RAW, timeout=0.3, timeout_overall=0.5))
            if heard.endswith(_RAW):
                # What an earlier try asked for may still come: wait until it is quiet, and ask for one prompt.
                quiet = self._do(lambda t: t.read_until(1, b"\0", timeout=0.03, timeout_overall=0.5))
                if quiet.count(b"raw REPL") == 0 and quiet.endswith(b">"):
                    self._do(lambda t: t.serial.write(b"\x01"))
                    return self._do(lambda t: t.read_until(1, _RAW, timeout=timeout_s, timeout_overall=1.0)).endswith(_RAW)
        return False

    def _pulse_reset(self) -> None:
        # RTS pulls EN down through the boards' usual two transistors, DTR must not pull GPIO0 with it (esptool, "Boot Mode
        # Selection"). Without modem control nothing happens.
        def pulse(transport: _Transport) -> None:
            try:
                transport.serial.dtr = False
                transport.serial.rts = True
                time.sleep(0.1)
                transport.serial.rts = False
            except OSError as error:
                if error.errno not in (22, 25):  # EINVAL, ENOTTY
                    raise
            time.sleep(0.5)

        self._do(pulse)

    def exec(self, code: str | bytes, timeout_s: float | None = None) -> str:
        """Run code and give what it prints, as mpremote does: nothing checked. DeviceError when it raises."""
        data = code.encode() if isinstance(code, str) else code
        out = b""
        failed = b""

        def run(transport: _Transport) -> None:
            nonlocal out, failed
            transport.exec_raw_no_follow(data)
            out, failed = transport.follow(timeout_s or self._timeout_s)

        self._do(run)
        if failed:
            raise DeviceError(self.port.name, failed.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")

    def run(self, code: str, timeout_s: float | None = None) -> object:
        """Run code and give what it has put into `r`, a literal. Checked both ways; globals stay for the next one."""
        source = code.encode()
        packed = binascii.b2a_base64(source, newline=False).decode()
        try:
            said = self.exec(_CHECKED % (packed, binascii.crc32(source)), timeout_s)
        except DeviceError as error:
            # Outside of the code itself, whose file is "<string>": raised by what noise has made of `_CHECKED`.
            if 'File "<string>"' not in error.traceback and error.kind not in ("MemoryError", "KeyboardInterrupt"):
                raise LinkError(self.port.name, "garbled on its way to the board") from None
            raise
        # What the code itself prints comes before its last line.
        crc, _, text = said.strip().rpartition("\n")[2].rstrip("\r").partition(" ")
        try:
            if binascii.crc32(text.encode()) == int(crc, 16):
                return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            pass
        raise LinkError(self.port.name, "garbled on its way from the board")

    def tools(self) -> None:
        """Have the few functions on the board that the methods below use; a soft reset forgets them."""
        if not self._has_tools:
            self.run(_TOOLS)
            self._has_tools = True

    def guard(self, timeout_s: int) -> None:
        """A watchdog: when nothing is done to files for so long, the board starts its application again. One that the application
        left running cannot be stopped, so this also keeps the board from a reset in the midst of a long session."""
        self.tools()
        self.run(f"import machine\n_w=machine.WDT(timeout={timeout_s * 1000})")

    # Files

    def read_file(self, path: str) -> bytes:
        """Whole. DeviceError with number 2 when there is none."""
        self.tools()
        self.run(f"_f=open({path!r},'rb')")
        data = bytearray()
        while True:
            part = self.run(f"_f.seek({len(data)})\nr=_f.read({_CHUNK})")
            assert isinstance(part, bytes)
            if not part:
                self.run("_f.close()")
                return bytes(data)
            data += part

    def write_file(self, path: str, data: bytes, on_progress: Callable[[int], object] | None = None) -> None:
        """Beside it, verified by its hash as read back, then put in its place in one step. Its folder must be there.
        `on_progress(n)`: n more bytes are on the board. DeviceError with number 28 when the file system is full."""
        self.tools()
        part = path + ".part"
        try:
            self.run(f"_open({part!r})")
            for at in range(0, len(data), _CHUNK):
                piece = data[at : at + _CHUNK]
                packed = binascii.b2a_base64(piece, newline=False).decode()
                self.run(f"_put({at},binascii.a2b_base64(b{packed!r}))")
                self.bytes_sent += len(piece)
                if on_progress is not None:
                    on_progress(len(piece))
            found = self.run(f"_f.close()\nr=_sha({part!r})")
        except DeviceError as error:
            if error.number == 28:
                self.run(f"try:\n _f.close()\nexcept OSError:\n pass\ntry:\n os.remove({part!r})\nexcept OSError:\n pass")
            raise
        if found != hashlib.sha256(data).hexdigest():
            raise LinkError(self.port.name, f"{path}: what was written is not what was sent")
        self.run(f"os.rename({part!r},{path!r})")

    def sha256(self, path: str) -> str | None:
        """Of a file on the board, in hex; None when there is none."""
        self.tools()
        found = self.run(f"r=_sha({path!r})")
        return found if isinstance(found, str) else None

    # The settings store

    def number(self, key: str, default: int = 0) -> int:
        found = self.run(f"{_STORE}\ntry:\n r=s.get_i32({key!r})\nexcept OSError:\n r={default}")
        assert isinstance(found, int)
        return found

    def keep_number(self, key: str, value: int) -> None:
        """One atomic write."""
        self.run(f"{_STORE}\ns.set_i32({key!r},{value})\ns.commit()")

    def blob(self, key: str, size: int) -> bytes:
        """Up to `size` bytes, or b"" when there is none. The CRC is not told for what is secret: see who prints it."""
        found = self.run(f"{_STORE}\nb=bytearray({size})\ntry:\n r=bytes(b[:s.get_blob({key!r},b)])\nexcept OSError:\n r=b''")
        assert isinstance(found, bytes)
        return found

    def keep_blob(self, key: str, value: bytes) -> None:
        self.run(f"{_STORE}\ns.set_blob({key!r},{value!r})\ns.commit()")

    def forget(self, key: str) -> None:
        self.run(f"{_STORE}\ntry:\n s.erase_key({key!r})\n s.commit()\nexcept OSError:\n pass")

    # Out

    def reset(self) -> None:
        """A hard reset: the board starts as from its power switch."""
        self._has_tools = False
        self._do(lambda t: t.exec_raw_no_follow(b"import time,machine\ntime.sleep_ms(50)\nmachine.reset()"))

    def reset_input(self) -> None:
        """Forget what has come and was not read."""
        self._do(lambda t: t.serial.reset_input_buffer())

    def leave(self) -> None:
        """To the friendly REPL."""
        self._do(lambda t: t.serial.write(b"\r\x02"))

    def ask(self, word: str, prefix: str, within_s: float, every_s: float = 0.25) -> str | None:
        """A line of the application's console (`core/console.py`) that begins with `prefix`, or None. Asked again and again, for
        it may be starting, or asleep. `heard` then holds all that came."""
        deadline = time.monotonic() + within_s
        self.heard = bytearray()
        while time.monotonic() < deadline:
            self._do(lambda t: t.serial.write(b"\n" + word.encode() + b"\n"))
            until = min(time.monotonic() + every_s, deadline)
            while time.monotonic() < until:
                self.heard += self._do(lambda t: t.read_until(1, b"\n", timeout=0.05, timeout_overall=every_s))
                *lines, _ = bytes(self.heard).split(b"\n")
                for line in lines:
                    text = line.strip().decode("utf-8", "replace")
                    if text.startswith(prefix):
                        return text
        return None

    def hear(self, words: bytes, within_s: float) -> str | None:
        """The words, when they come by themselves."""
        self.heard = bytearray(self._do(lambda t: t.read_until(1, words, timeout=within_s, timeout_overall=within_s)))
        return words.decode() if self.heard.endswith(words) else None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    heard: bytearray = bytearray()


_STORE = f"from esp32 import NVS\ns=NVS({NAMESPACE!r})"
