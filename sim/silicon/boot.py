"""What a simulated device's interpreter is started with:

    boot.py FIRMWARE_PATH PIPE_IN PIPE_OUT FOLDER UNIQUE_ID_HEX RESET_CAUSE APPLICATION
    boot.py FIRMWARE_PATH ORDERS READY APPLICATION

Attaches the silicon to the engine and then starts the application as a board's own `main.py` would. In the second form it imports
what the application needs, says so on one descriptor, and learns from the other which device it is to be: by then it is a
process of its own.

A device whose folder holds `fs` was flashed: that is its file system, and what it starts with is its `main.py`.
"""

import os
import sys

import _hw
import _tasks

sys.modules["_asyncio"] = _tasks
_PERIPHERALS = ("machine", "bluetooth", "network", "socket")


def start(pipe_in, pipe_out, folder, unique_id, reset_cause, application):
    _hw.folder = folder
    _hw.unique_id = bytes(int(unique_id[i : i + 2], 16) for i in range(0, len(unique_id), 2))
    _hw.reset_cause = int(reset_cause)
    if "homeward.cert.nvs" in os.listdir(folder):
        sys.modules["tls"] = __import__("_tls")
    _hw.attach(int(pipe_in), int(pipe_out))
    for peripheral in _PERIPHERALS:
        __import__(peripheral)
    try:
        _hw.settle()
        if "fs" in os.listdir(folder):
            _start_files(folder)
        else:
            __import__("firmware.start", None, None, ("run",)).run(application)
    except SystemExit:
        raise
    except BaseException as error:
        # What is left of an application that raised is the board's boot loop, which starts it again.
        sys.print_exception(error, sys.stderr)
        words = "%s: %s" % (type(error).__name__, error)
        _hw.asleep = False
        _hw.emit(__import__("_channels").CRASHED, 0, words[:200].encode(), False)
        _hw.reset(2)


def _start_files(folder):
    # What was imported before it was known which device this is came from elsewhere.
    for name in list(sys.modules):
        if name.startswith("firmware"):
            del sys.modules[name]
    sys.path.remove(sys.argv[1])
    sys.path.append("")
    os.chdir(folder + "/fs")
    __import__("main")
    _hw.advance(_hw._NEVER)  # the REPL, at which nobody sits


sys.path.append(sys.argv[1])
if len(sys.argv) == 5:
    start(*__import__("_warm").wait(_PERIPHERALS, *sys.argv[2:]))
else:
    start(*sys.argv[2:])
