"""What people type, checked before anything is started: scenario, speed, length, ports, where results go."""

import math
import os
import socket
from pathlib import Path

import typer

from bridge.errors import ConfigError

COMMAND_LINE = "command line"  # the "file" of an error in what was typed
SPEED_EXPECTED = '"max", or how many simulated seconds pass in one, such as 1 or 60'
CONSOLE_PORT = 8080  # the address people know; any free one when it is taken and none was asked for


def parse_speed(text: str) -> float:
    """0 is as fast as possible."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= 1e6:
        raise typer.BadParameter(f"got {text!r}, expected {SPEED_EXPECTED}")
    return speed


def parse_until(text: str) -> int:
    """Milliseconds."""
    from sim.scenario.moments import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"got {text!r}, expected {error}") from None


def built_in_scenarios() -> list[str]:
    return sorted(path.stem for path in _built_in().glob("*.yaml"))


def _built_in() -> Path:
    import sim.scenarios

    return Path(sim.scenarios.__path__[0])


def find_scenario(given: str) -> Path:
    """The file as given, or the built-in one of that name: `demo`, `demo.yaml` and `scenarios/demo.yaml` mean the same."""
    path = Path(given)
    if path.exists():
        return path
    if path.parent.name in ("", "scenarios") and not path.is_absolute():
        inside = _built_in() / f"{path.name.removesuffix('.yaml')}.yaml"
        if inside.is_file():
            return inside
    names = ", ".join(built_in_scenarios())
    raise ConfigError(COMMAND_LINE, "SCENARIO", given, f"a file that exists, or a built-in scenario: {names}")


def check_port(option: str, port: int) -> None:
    """ConfigError when somebody listens there. Port 0 is any free one."""
    if not port:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(COMMAND_LINE, option, port, f"a free port on 127.0.0.1 ({os.strerror(error.errno or 0)})") from None


def console_port(given: int | None) -> int:
    """The port asked for; else the usual one, or any when that is taken."""
    if given is not None:
        check_port("--console-port", given)
        return given
    try:
        check_port("--console-port", CONSOLE_PORT)
    except ConfigError:
        return 0
    return CONSOLE_PORT


def check_target(option: str, target: Path | None) -> None:
    """ConfigError when a file cannot be written there: better now than after a day's run."""
    if target is None:
        return
    if target.is_dir():
        raise ConfigError(COMMAND_LINE, option, str(target), "the name of a file, not of a folder")
    if not target.absolute().parent.is_dir() or not os.access(target.absolute().parent, os.W_OK):
        raise ConfigError(COMMAND_LINE, option, str(target), "a file in a folder that exists and may be written to")


def check_targets(targets: dict[str, Path | None]) -> None:
    """Of several options; ConfigError also when two of them name one file."""
    taken: dict[Path, str] = {}
    for option, target in targets.items():
        check_target(option, target)
        if target is not None:
            other = taken.setdefault(target.resolve(), option)
            if other != option:
                raise ConfigError(COMMAND_LINE, option, str(target), f"another file than that of {other}")
