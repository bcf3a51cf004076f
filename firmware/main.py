"""A board's `/main.py`: starts the application out of folder `a` or `b`, as `switch.py` beside it decides.

On a board that is not provisioned, or whose folders are both empty, it says so and leaves the REPL to whoever is on the cable. It
hardly ever changes, and only by cable: what comes over the air goes into the folders.
"""

import os
import sys


def _choose(store):
    # The folder, or None.
    import switch

    root = os.getcwd().rstrip("/")

    def is_whole(folder):
        try:
            return bool(os.stat("%s/%s/%s" % (root, switch.NAMES[folder], switch.WHOLE)))
        except OSError:
            return False

    try:
        value = store.get_i32(switch.KEY)
    except OSError:
        value = 0
    folder, kept = switch.start(value, is_whole)
    if kept != value:
        if switch.changes(value, kept):
            _pardon(store)
        store.set_i32(switch.KEY, kept)
        store.commit()
    del sys.modules["switch"]
    return None if folder is None else "%s/%s" % (root, switch.NAMES[folder])


def _pardon(store):
    # The crashes of one release do not count against the other; the last of them is still told of.
    blob = bytearray(12)
    try:
        n = store.get_blob("crash", blob)
    except OSError:
        return
    if n == len(blob):
        blob[0] = 0
        store.set_blob("crash", blob)


def _kind(store):
    # "tag" or "hmu": the board's name begins with it.
    name = bytearray(64)
    try:
        return str(name[: store.get_blob("board", name)], "utf-8").split("_")[0]
    except OSError:
        return ""


def _application():
    from esp32 import NVS

    store = NVS("homeward")
    kind = _kind(store)
    if kind not in ("tag", "hmu"):
        print("homeward: not provisioned")
        return None
    folder = _choose(store)
    if folder is None:
        print("homeward: no firmware")
        return None
    sys.path.insert(0, folder)
    return "firmware." + kind


_package = _application()
if _package:
    del _application, _choose, _kind, _pardon
    __import__("firmware.start", None, None, ("run",)).run(_package)
