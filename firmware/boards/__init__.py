"""One folder a board: its pins, its drivers, its freeze manifest. The only place that names a chip.

A board is a class `Board` with the parts that the application asks for by role (`gnss`, `modem`, `strap` …). Which one this
device is stands in its settings store since it was provisioned; `this_board` builds it.
"""

from esp32 import NVS

_NAMESPACE = "homeward"


class Store:
    """The settings store: small values that outlive power. Missing ones give the default."""

    def __init__(self):
        self._nvs = NVS(_NAMESPACE)

    def number(self, key, default=0):
        try:
            return self._nvs.get_i32(key)
        except OSError:
            return default

    def keep_number(self, key, value):
        self._nvs.set_i32(key, value)
        self._nvs.commit()

    def keep_blob(self, key, value):
        self._nvs.set_blob(key, value)
        self._nvs.commit()

    def forget(self, key):
        try:
            self._nvs.erase_key(key)
            self._nvs.commit()
        except OSError:
            pass  # there is none

    def blob(self, key, size):
        """Up to `size` bytes, or b"" when there is none."""
        buf = bytearray(size)
        try:
            return memoryview(buf)[: self._nvs.get_blob(key, buf)]
        except OSError:
            return b""


def this_board(kind):
    """The board that this device was provisioned as; `kind` ("tag", "hmu") is what the application can run on."""
    store = Store()
    name = str(bytes(store.blob("board", 64)), "utf-8")
    if not name.startswith(kind + "_"):
        raise RuntimeError("not provisioned as a %s: board %r" % (kind, name))
    return __import__("firmware.boards." + name, None, None, ("Board",)).Board(store)
