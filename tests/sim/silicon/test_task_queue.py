"""The silicon's queue of tasks gives them out in the very order in which the interpreter's own, a pairing heap in C, does:
equal deadlines, deadlines on both sides of the ticks' wrap (which on a 64-bit host is far away), and tasks that are taken out of
the middle included."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.core.interpreter import run
from tests.sim.silicon.harness import SILICON

_SCRIPT = """
import _asyncio as c
sys.path.insert(0, {silicon!r})
import _tasks as ours
def play(module, mask, start, steps):
    queue = module.TaskQueue()
    tasks = [module.Task(None) for _ in range(8)]
    held = []
    out = []
    for what, which, due in steps:
        free = [n for n in range(8) if n not in held]
        if what == "push" and free:
            n = free[which % len(free)]
            queue.push(tasks[n], start + due & mask)
            held.append(n)
        elif what == "pop" and held:
            n = tasks.index(queue.pop())
            held.remove(n)
            out.append(n)
        elif what == "remove" and held:
            n = held[which % len(held)]
            queue.remove(tasks[n])
            held.remove(n)
        first = queue.peek()
        out.append(None if first is None else tasks.index(first))
    while queue.peek() is not None:
        out.append(tasks.index(queue.pop()))
    return out
for start, steps in {games!r}:
    real, virtual = play(c, -1, start, steps), play(ours, 0x3FFFFFFF, start, steps)
    if real != virtual:
        print((start, steps), real, virtual)
print("played")
"""

steps = st.tuples(st.sampled_from(["push", "push", "push", "pop", "remove"]), st.integers(0, 7), st.integers(0, 3))
games = st.tuples(st.sampled_from([0, 1000, 2**30 - 2]), st.lists(steps, max_size=30))


@settings(max_examples=40, deadline=None)
@given(st.lists(games, min_size=5, max_size=40))
def test_any_game_of_pushing_popping_and_removing_ends_as_in_the_interpreters_own_queue(played: list):
    assert run(_SCRIPT.format(silicon=str(SILICON), games=played), cwd=Path("/")) == ["played"]
