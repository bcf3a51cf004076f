"""`--rig NAME`, the `rig` fixture, and `@pytest.mark.needs(…)`: what a test needs that the rig lacks skips it by name.

Each test has a folder of steps and serial logs (`steps`): under `--hil-logs`, or else among pytest's own temporary folders.
`--hil-timeline FILE` writes a page of the run; JUnit is pytest's own (`--junitxml`), and names the rig and each test's folder.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil_tests.rigs import RigError, RigSpec, find_rig
from hil_tests.rigs.capabilities import CAPABILITIES
from hil_tests.rigs.rig import Rig
from hil_tests.steps import Steps
from hil_tests.timeline import Timeline

_LOG = "hil_log"  # the property of a report that names its folder
_spec_key = pytest.StashKey[RigSpec]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption("--rig", default="sim", metavar="NAME", help="the bench: sim (default), emulated or a file NAME.toml")
    group.addoption("--firmware", default=None, metavar="FILE", help="with --rig emulated: an ELF for QEMU's mps2-an385")
    group.addoption("--hil-logs", default=None, metavar="FOLDER", help="keep each test's steps, serial logs and recordings here")
    group.addoption("--hil-timeline", default=None, metavar="FILE", help="write a page of the run: tests, steps, serial logs")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): what a rig must have for this test to run on it")
    try:
        config.stash[_spec_key] = find_rig(str(config.getoption("--rig")), _firmware(config))
    except RigError as error:
        raise pytest.UsageError(str(error)) from None
    file = config.getoption("--hil-timeline")
    if file and not hasattr(config, "workerinput"):  # with xdist the controller sees all reports
        config.pluginmanager.register(Timeline(Path(str(file)), str(config.getoption("--rig")), _LOG), "hil-timeline")


def wanted_by(node: pytest.Item) -> tuple[str, ...]:
    return tuple(name for mark in node.iter_markers("needs") for name in mark.args)


def _firmware(config: pytest.Config) -> Path | None:
    given = config.getoption("--firmware")
    if given is not None and not Path(str(given)).is_file():
        raise pytest.UsageError(f"--firmware: got {str(given)!r}, expected a file that is there")
    return None if given is None else Path(str(given))


@pytest.fixture
def rig_spec(request: pytest.FixtureRequest) -> RigSpec:
    return request.config.stash[_spec_key]


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest, rig_spec: RigSpec) -> None:
    wanted = wanted_by(request.node)
    unknown = set(wanted) - set(CAPABILITIES)
    if unknown:
        pytest.fail(f"no such capability: {', '.join(sorted(unknown))}; there are {', '.join(CAPABILITIES)}")
    if lacking := rig_spec.lacking(wanted):
        pytest.skip(f"the rig {rig_spec.name!r} lacks {lacking}")


@pytest.fixture
def steps(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Steps]:
    """Where this test's steps are noted."""
    root = request.config.getoption("--hil-logs")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", request.node.name)
    folder = Path(str(root)).absolute() / f"{request.node.path.stem}-{name}" if root else tmp_path / "hil"
    request.node.user_properties += [("rig", str(request.config.getoption("--rig"))), (_LOG, str(folder))]
    with Steps(folder) as opened:
        yield opened


@pytest.fixture
def rig(request: pytest.FixtureRequest, _needs: None, rig_spec: RigSpec, steps: Steps, tmp_path: Path) -> Iterator[Rig]:
    """The rig, opened: its device has just been switched on."""
    with rig_spec.open(tmp_path, steps, frozenset(wanted_by(request.node))) as opened:
        opened.note = steps.note
        steps.note("switched on", rig=rig_spec.name)
        yield opened
