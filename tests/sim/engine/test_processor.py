"""What a process has used is all that it has used: threads and short lives included."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from sim.engine.processor import processor_s

# Two threads, of which one has ended, and the work is theirs; then it waits.
WORKS = """
import threading, time
def work():
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(time.process_time(), flush=True)
input()
"""


def test_what_its_threads_used_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", WORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        told = float(process.stdout.readline())
        used = processor_s(process.pid)
        times = psutil.Process(process.pid).cpu_times()
        process.stdin.close()
    assert told >= 0.4 and used is not None
    assert used == pytest.approx(told, abs=0.1)
    assert used == pytest.approx(times.user + times.system, abs=0.1)


def test_less_than_a_tick_is_told_and_who_has_ended_has_used_nothing() -> None:
    before = processor_s(os.getpid())
    own = time.process_time()
    while time.process_time() < own + 0.002:
        pass
    after = processor_s(os.getpid())
    assert before is not None and after is not None and after - before >= 0.002
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert processor_s(process.pid) is None
