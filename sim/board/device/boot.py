"""What the interpreter of a board on a pseudo-terminal is started with, and what a board's ROM and `_boot.py` do:

    boot.py FOLDER MODULES PIPE_IN PIPE_OUT UNIQUE_ID_HEX RESET_CAUSE RUNS_MAIN VFS_KIB

Attaches the silicon, mounts littlefs at `/`, runs `boot.py` and `main.py`, and leaves the REPL to whoever is on the line.
"""

import sys


def _power_up(chip, modules, pipe_in, pipe_out, unique_id, reset_cause, vfs_kib):
    import os

    import vfs

    pipes = open(int(pipe_in), "rb"), open(int(pipe_out), "wb")
    vfs.umount("/")
    # What a board has built in is imported now, and then out of sight: nobody who lists or clears the file system finds it.
    vfs.mount(vfs.VfsPosix(modules), "/")
    sys.path[:] = ["/"]
    import _hw

    _hw.attach(*pipes)
    _hw.unique_id = bytes(int(unique_id[i : i + 2], 16) for i in range(0, len(unique_id), 2))
    _hw.reset_cause = int(reset_cause)
    sys.modules["_asyncio"] = __import__("_tasks")
    _hw.folder = chip
    host = vfs.VfsPosix()
    import _flash

    device = _flash.install(host, int(vfs_kib))
    for name in ("machine", "select", "time", "bluetooth", "network", "socket"):
        __import__(name)
    try:
        host.stat(chip + "/homeward.cert.nvs")
        sys.modules["tls"] = __import__("_tls")
    except OSError:
        pass
    _hw.settle()
    vfs.umount("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    try:
        littlefs = vfs.VfsLfs2(device, progsize=32, readsize=32, lookahead=32)
    except OSError:
        vfs.VfsLfs2.mkfs(device, progsize=32, readsize=32, lookahead=32)
        littlefs = vfs.VfsLfs2(device, progsize=32, readsize=32, lookahead=32)
    vfs.mount(littlefs, "/")
    os.chdir("/")
    _hw.emit(_hw.READY, 0)


def _run(name):
    import os

    try:
        os.stat(name)
    except OSError:
        return
    with open(name) as file:
        text = file.read()
    exec(compile(text, name, "exec"), {"__name__": "__main__"})


_power_up(*sys.argv[1:7], sys.argv[8])
_runs_main = sys.argv[7] == "1"
sys.argv[:] = [""]
_run("boot.py")
if _runs_main:
    _run("main.py")
