"""What people type: read as they mean it, or refused with what was expected."""

import os
import socket
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from tools import inputs


def test_max_is_as_fast_as_possible() -> None:
    assert inputs.parse_speed("max") == 0.0


@given(st.floats(min_value=0.01, max_value=1e6))
def test_any_sensible_number_is_a_speed(speed: float) -> None:
    assert inputs.parse_speed(repr(speed)) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "60 x", "MAX"])
def test_no_other_text_is_a_speed(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected"):
        inputs.parse_speed(text)


@pytest.mark.parametrize(("text", "ms"), [("24h", 86_400_000), ("90m", 5_400_000), ("1d 12h", 129_600_000)])
def test_a_length_of_time(text: str, ms: int) -> None:
    assert inputs.parse_until(text) == ms


@pytest.mark.parametrize("name", ["demo", "demo.yaml", "scenarios/demo.yaml"])
def test_the_built_in_scenario_is_found_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert inputs.find_scenario(name).samefile(Path(__file__).parents[2] / "sim/scenarios/demo.yaml")


def test_a_file_that_is_there_wins_over_the_built_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo.yaml").write_text("name: mine")
    assert inputs.find_scenario("demo.yaml") == Path("demo.yaml")


@pytest.mark.parametrize("name", ["nowhere.yaml", "/scenarios/demo.yaml", "elsewhere/demo.yaml", "../demo"])
def test_a_scenario_that_is_not_there_is_named_with_those_that_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"SCENARIO: got .*built-in scenario: demo"):
        inputs.find_scenario(name)


def test_a_port_in_use_is_refused_by_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--broker-port: got {port}, expected a free port"):
            inputs.check_port("--broker-port", port)


def test_who_asks_for_no_console_port_gets_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(inputs, "CONSOLE_PORT", taken.getsockname()[1])
        assert inputs.console_port(None) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="--json"):
        inputs.check_target("--json", tmp_path / "day.json")


def test_results_go_into_a_file_in_a_folder_that_exists(tmp_path: Path) -> None:
    inputs.check_target("--json", tmp_path / "day.json")
    for wrong in (tmp_path, tmp_path / "nowhere" / "day.json"):
        with pytest.raises(ConfigError, match="--json"):
            inputs.check_target("--json", wrong)
