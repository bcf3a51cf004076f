"""`--rig NAME`, the `rig` fixture, and `@pytest.mark.needs(…)`: what a test needs that the rig lacks skips it by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil_tests.rigs import RigError, rig_class
from hil_tests.rigs.capabilities import CAPABILITIES, missing


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rig", default="sim", metavar="NAME", help="the bench that hil_tests run on: sim (the default)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): what a rig must have for this test to run on it")
    try:
        rig_class(str(config.getoption("--rig")))
    except RigError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    wanted = tuple(name for mark in request.node.iter_markers("needs") for name in mark.args)
    unknown = set(wanted) - set(CAPABILITIES)
    if unknown:
        pytest.fail(f"no such capability: {', '.join(sorted(unknown))}; there are {', '.join(CAPABILITIES)}")
    name = str(request.config.getoption("--rig"))
    lacking = missing(rig_class(name), wanted)
    if lacking:
        pytest.skip(f"the rig {name!r} lacks {', '.join(lacking)}")


@pytest.fixture
def rig(request: pytest.FixtureRequest, _needs: None, tmp_path: Path) -> Iterator[Any]:
    """The rig, opened: its device has just been switched on."""
    with rig_class(str(request.config.getoption("--rig")))(tmp_path) as opened:
        yield opened
