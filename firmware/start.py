"""How a board's `main.py` starts its application: `from firmware.start import run; run("firmware.tag")`.

Importing and building leave garbage between what stays. On a heap of 128 KiB that would cut the free space into pieces too
small to use, so until everything is built the collector runs often and what stays moves together at the bottom.
"""

import gc

_WHILE_BUILDING = 2048  # bytes allocated between two collections
_NEVER = -1  # afterwards only when the heap is full: the steady loop makes little garbage


def run(package):
    """Import `package.main`, build its application, and run it; never returns."""
    gc.threshold(_WHILE_BUILDING)
    main = __import__(package + ".main", None, None, ("start",))
    application = main.build()
    gc.collect()
    gc.threshold(_NEVER)
    main.start(application)
