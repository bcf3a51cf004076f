"""Errors that a person can mend: one line on stderr and exit code 2, never a traceback. Anything else is a defect and shows one.

Exit codes of `homeward`: 0 done · 1 the run came to its end and is not good · 2 something given is wrong or cannot be had ·
130 ended by Ctrl-C before its end (`--headless`; who watched an interactive run and ends it gets 0).
"""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")

WRONG = 2
INTERRUPTED = 130


def _mendable() -> tuple[type[Exception], ...]:
    # Late: who gets here has loaded most of these, and who does not should not wait for them.
    from bridge.broker.process import BrokerError
    from bridge.errors import ConfigError
    from sim.engine.image import ImageError
    from sim.engine.process import InterpreterMissing, ZygoteEnded
    from sim.engine.services import ServiceError

    return ConfigError, BrokerError, ImageError, InterpreterMissing, ServiceError, ZygoteEnded


def one_line(error: BaseException) -> str:
    """What to tell: the error's own words, or of a service's last words the one that says why it ended."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if type(error).__name__ == "ServiceError":
        # A log: the last line is the reason. A service logs JSON, and says in plain words why it cannot start.
        plain = [line for line in lines if not line.startswith("{")]
        return (plain or lines)[-1]
    return " ".join(lines)


def say(text: str) -> None:
    print(f"homeward: {text}", file=sys.stderr, flush=True)


def tells(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose mendable errors are told in one line."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, typer.Exit) or not isinstance(error, _mendable()):
                raise
            say(one_line(error))
            raise typer.Exit(WRONG) from None

    return told
