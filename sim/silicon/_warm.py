"""What a process does from which devices are forked warm: it imports for all of them, and waits for what each is to be."""

import gc
import sys

_BOARDS = {
    "firmware.tag": ("firmware.boards.tag_t_a7670_l76k",),
    "firmware.hmu": ("firmware.boards.hmu_esp32_poe",),
}


class _Gc:
    """`gc` as `firmware.start` sees it: for a device that starts warm, 32 times as seldom while it is built, and 4 times
    from then on. Collecting is most of what a device costs, and it is a board's small heap that garbage would cut into pieces."""

    collect = gc.collect

    def threshold(n):
        gc.threshold((32 if n < 8192 else 4) * n)


def wait(peripherals, orders, ready, application):
    """Import what the application needs, say so, and learn which device this process is to be: its arguments."""
    gc.threshold(2048)  # as `firmware.start` builds
    for name in peripherals + ("firmware.start", application + ".main") + _BOARDS.get(application, ()):
        __import__(name)
    sys.modules["firmware.start"].gc = _Gc
    gc.collect()
    # Several processes come back from this read, each with its own arguments.
    with open(int(ready), "wb") as told:
        told.write(b"!")
    with open(int(orders), "rb") as stream:
        return str(stream.read(int(stream.read(5))), "utf-8").split("\0")
