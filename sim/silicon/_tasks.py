"""Task and TaskQueue for asyncio, in Python, so that tasks are ordered by virtual time.

The interpreter's own are written in C and ask the real clock. `boot.py` puts this module in `sys.modules["_asyncio"]` before
asyncio is imported. The loop and the other asyncio classes need of a task: `coro`; `data`, which is an exception to throw
next, the queue that holds the task, or the task that it waits for; `state`, which is True while it runs unawaited, a
TaskQueue of those who await it, a function to call at its end, or False/None when it is done; `ph_key`, when it is due.
"""

import _hw

_MASK = (1 << 30) - 1
_HALF = 1 << 29


class TaskQueue:
    """Tasks by due time; of equal ones, first in first out. A list serves: a device has some ten tasks."""

    def __init__(self):
        self._tasks = []

    def peek(self):
        return self._tasks[0] if self._tasks else None

    def push(self, task, due=None):
        if due is None:
            due = _hw.now & _MASK
        task.data = None
        task.ph_key = due
        tasks = self._tasks
        i = len(tasks)
        # Ticks wrap: `due` is the later or equal one when the difference is in the lower half of the circle.
        while i and (due - tasks[i - 1].ph_key & _MASK) >= _HALF:
            i -= 1
        tasks.insert(i, task)

    def pop(self):
        return self._tasks.pop(0)

    def remove(self, task):
        self._tasks.remove(task)


class Task:
    def __init__(self, coro, loop_globals=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self._loop = loop_globals  # asyncio.core's globals: who is the current task, and which queue is the loop's

    def __iter__(self):
        if self.state is True:
            self.state = TaskQueue()
        elif not self.state:
            self.state = False  # its result is being fetched: the loop need not report an exception in it
        elif not isinstance(self.state, TaskQueue):
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if self.state:
            waiter = self._loop["cur_task"]
            self.state.push(waiter)
            waiter.data = self
        elif self.data is None:
            raise StopIteration
        else:
            raise self.data

    def done(self):
        return not self.state

    def cancel(self):
        if not self.state:
            return False
        loop = self._loop
        if self is loop["cur_task"]:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):  # it waits for another: that one is cancelled
            task = task.data
        queue = loop["_task_queue"]
        if hasattr(task.data, "remove"):  # it waits in some other queue (an event, a lock, an I/O queue)
            task.data.remove(task)
            queue.push(task)
        elif 0 < (task.ph_key - _hw.now & _MASK) < _HALF:  # it sleeps
            queue.remove(task)
            queue.push(task)
        task.data = loop["CancelledError"]
        return True
