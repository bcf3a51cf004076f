"""Which of the two folders runs, `a` or `b`: one number in the settings store, so that each change is one atomic write.

    bit 0      the folder that is good: 0 `a`, 1 `b`
    bits 1-3   0, or one more than the starts that the other folder has left on trial
    bit 4      the last trial failed, and nobody has been told yet
    bit 5      the folder on trial is good as soon as its main loop runs (it was flashed by cable), else when the bridge has
               answered under it
    bit 6      an update over the air is under way (`core/update.py`)

The other folder goes on trial when it has been written whole, which its `manifest.json` says: written last, removed first. Each
start on trial uses up one of its starts before anything of it is run; who uses up the last without having been confirmed is
left for good. `main.py` beside this module decides at each start by `start`; the application says `confirmed`.

Plain functions of that number, on the device and on the host. On the device this module also lies beside `main.py`, outside
both folders, for there it must be found before one of them is chosen.
"""

KEY = "release"  # of the number
NAMES = ("a", "b")
WHOLE = "manifest.json"  # a folder that holds it is whole
STARTS = 3  # on trial: one may be lost to a cell that runs empty, and one to a crash that does not come again

_GOOD = 1
_LEFT = 14
_FAILED = 16
_EASY = 32
_BUSY = 64


def start(value, is_whole):
    """(folder, value to keep before it is run); the folder is None when neither is whole. `is_whole(folder)` tells that."""
    good = value & _GOOD
    left = (value & _LEFT) >> 1
    if left > 1 and is_whole(1 - good):
        return 1 - good, value - 2
    if left:
        value = given_up(value)
    if is_whole(good):
        return good, value
    return (1 - good if is_whole(1 - good) else None), value


def changes(value, kept):
    """Whether the start that turned `value` into `kept` runs another folder than the one before it did."""
    return bool(kept & _FAILED & ~value) or (value & _LEFT) >> 1 > STARTS


def on_trial(value):
    """Whether the folder that `start` chose was on trial."""
    return bool(value & _LEFT)


def is_easy(value):
    """Whether it is good as soon as its main loop runs."""
    return bool(value & _EASY)


def trial(value, is_easy=False):
    """The other folder goes on trial at the next start. A release that was flashed ends an update over the air."""
    kept = value & _GOOD | _EASY if is_easy else value & (_GOOD | _BUSY)
    return kept | (STARTS + 1) << 1


def confirmed(value):
    """What was on trial is good from now on. Said by what runs on trial; else nothing changes."""
    return 1 - (value & _GOOD) | value & _BUSY if value & _LEFT else value


def given_up(value):
    """The trial has failed: the other folder runs from the next start on."""
    return value & (_GOOD | _BUSY) | _FAILED


def has_failed(value):
    """Whether a trial failed of which nobody has been told."""
    return bool(value & _FAILED)


def busy(value):
    """An update over the air is under way: the other folder is about to be written anew."""
    return value & _GOOD | _BUSY


def is_busy(value):
    """Whether there is one."""
    return bool(value & _BUSY)


def told(value):
    """There is none, and nothing is left to be told."""
    return value & _GOOD
