"""What a simulated device's interpreter is started with:

    boot.py PIPE_IN PIPE_OUT FOLDER UNIQUE_ID_HEX RESET_CAUSE FIRMWARE_PATH APPLICATION

Attaches the silicon to the engine and then starts the application as a board's own `main.py` would.
"""

import os
import sys

import _hw
import _tasks

sys.modules["_asyncio"] = _tasks


def start(pipe_in, pipe_out, folder, unique_id, reset_cause, firmware_path, application):
    _hw.folder = folder
    _hw.unique_id = bytes(int(unique_id[i : i + 2], 16) for i in range(0, len(unique_id), 2))
    _hw.reset_cause = int(reset_cause)
    sys.path.append(firmware_path)
    if "homeward.cert.nvs" in os.listdir(folder):
        sys.modules["tls"] = __import__("_tls")
    _hw.attach(int(pipe_in), int(pipe_out))
    for peripheral in ("machine", "bluetooth", "network", "socket"):
        __import__(peripheral)
    try:
        _hw.settle()
        __import__("firmware.start", None, None, ("run",)).run(application)
    except SystemExit:
        raise
    except BaseException as error:
        # What is left of an application that raised is the board's boot loop, which starts it again.
        sys.print_exception(error, sys.stderr)
        words = "%s: %s" % (type(error).__name__, error)
        _hw.asleep = False
        _hw.emit(_hw._channels.CRASHED, 0, words[:200].encode(), False)
        _hw.reset(2)


start(*sys.argv[1:8])
