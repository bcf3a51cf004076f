"""How a board's `main.py` starts its application: `from firmware.start import run; run("firmware.tag")`.

Importing and building leave garbage between what stays. On a heap of 128 KiB that would cut the free space into pieces too
small to use, so until everything is built the collector runs often and what stays moves together at the bottom.

An exception that ends the application is kept for a record, and the device starts again; after three within ten minutes
`package.safe` is started instead of `package.main`, if there is one.
"""

import gc

_WHILE_BUILDING = 2048  # bytes allocated between two collections
_STEADY = 8192  # and afterwards: garbage that lay about until the heap was full would leave no large piece free


def run(package):
    """Import `package.main`, build its application, and run it; never returns."""
    import machine

    from .boards import Store
    from .core.port import ticks_diff, ticks_ms

    began = ticks_ms()

    gc.threshold(_WHILE_BUILDING)
    store = Store()
    try:
        main = _main(package, _which(store, machine))
        application = main.build()
        gc.collect()
        gc.threshold(_STEADY)
        main.start(application)
    except Exception as error:
        try:
            gc.collect()
            from .core import crash

            uptime_ms = ticks_diff(ticks_ms(), began)
            crash.keep(store, error, uptime_ms // 1000 if uptime_ms >= 0 else crash.WINDOW_S + 1)  # after six days they wrap
        finally:
            machine.reset()  # with no memory, or a store that fails: starting again matters more than the note
    machine.reset()


def _main(package, name):
    try:
        return __import__(package + name, None, None, ("start",))
    except ImportError:
        if name == ".main":
            raise
    return _main(package, ".main")


def _which(store, machine):
    # Nothing of this is needed as long as nothing went wrong.
    if machine.reset_cause() != machine.WDT_RESET and not len(store.blob("crash", 12)):
        return ".main"
    from .core import crash

    if machine.reset_cause() == machine.WDT_RESET:
        crash.keep_reset(store, crash.WINDOW_S // crash.LIMIT)
    return ".safe" if crash.read(store)[0] >= crash.LIMIT else ".main"
