"""Virtual time within one process, in the place of the silicon's kernel: no engine, no pipe. Several radios share one air."""

now = 0
_timers = []
_NEVER = 0xFFFFFFFFFFFFFFFF


def call_at(time_ms, function):
    i = len(_timers)
    while i and _timers[i - 1][0] > time_ms:
        i -= 1
    _timers.insert(i, (time_ms, function))


def cancel_call(function):
    for i in range(len(_timers)):
        if _timers[i][1] is function:
            _timers.pop(i)
            return


def advance(deadline):
    global now
    target = min(deadline, _timers[0][0]) if _timers else deadline
    if target >= _NEVER:
        raise RuntimeError("everybody waits for ever")
    now = max(now, target)
    happened = False
    while _timers and _timers[0][0] <= now:
        happened = True
        _timers.pop(0)[1]()
    return happened
