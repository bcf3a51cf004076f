"""A port that goes away in the middle of whatever is done with it is told of by one kind of error."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.board import Link, Port
from tools.board.errors import VanishedError


@pytest.mark.parametrize(
    "act",
    [
        Link.reset_input,  # on POSIX a terminal's call, whose error is no OSError
        lambda link: link.exec("1"),
        lambda link: link.enter(timeout_s=0.2),
        Link.leave,
    ],
    ids=["reset_input", "exec", "enter", "leave"],
)
def test_a_port_that_vanishes_is_told_of_as_one(act: Callable[[Link], object], tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with Link(Port(os.ttyname(theirs), f"vanishes-{tmp_path.parent.name}-{tmp_path.name}"), timeout_s=1) as link:
        os.close(theirs)
        os.close(ours)
        with pytest.raises(VanishedError, match="vanished"):
            act(link)
        with pytest.raises(VanishedError, match="vanished"):
            link.reset_input()  # and so it stays
