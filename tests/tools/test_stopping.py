"""Ctrl-C is a wish first and an exception second, and never heard while things are being ended."""

import os
import signal

import pytest

from tools.stopping import Stop, Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_a_wish_and_the_second_is_heard_at_once(number: signal.Signals) -> None:
    with Stop() as stop:
        stop.check()
        os.kill(os.getpid(), number)  # nothing happens here: what is being started is not forgotten
        with pytest.raises(Stopped):
            stop.check()
        with pytest.raises(Stopped):
            os.kill(os.getpid(), number)
            stop.wait(5)


def test_waiting_ends_with_the_wish() -> None:
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            stop.wait(60)


def test_no_signal_disturbs_the_end() -> None:
    with Stop() as stop:
        stop.ending()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stop():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
