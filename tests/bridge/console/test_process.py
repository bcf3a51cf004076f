"""The console as it is started: it says where it is, streams and resumes, refuses bad input in words, ends in order."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.bridge.console.conftest import RunningConsole
from tests.bridge.console.field import NOON_MS, Field, home_of, wearer_entry

Start = Callable[..., RunningConsole]


def messages(response: httpx.Response) -> Iterator[dict[str, str]]:
    """Server-sent events as dicts of their fields (WHATWG HTML, 9.2.6, as far as this stream uses it)."""
    message: dict[str, str] = {}
    for line in response.iter_lines():
        if not line and message:
            yield message
            message = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(":")
            message[name] = value.removeprefix(" ")


def listen(console: RunningConsole, kind: str, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The first message of a kind."""
    with httpx.Client(base_url=console.origin, timeout=20) as client:
        client.get(console.url).raise_for_status()
        with client.stream("GET", "/api/stream", headers=headers) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            return next(message for message in messages(response) if message.get("event") == kind)


def test_the_stream_goes_on_from_the_last_event_id(field: Field, start_console: Start) -> None:
    field.enrol(wearer_entry(1))
    field.fix(1, NOON_MS, home_of(1))
    console = start_console(field.url)
    assert json.loads(listen(console, "hello")["data"])["live"][0]["wearer"] == "w1"
    field.fix(1, NOON_MS + 1_000, home_of(1))
    field.fix(1, NOON_MS + 2_000, home_of(1))
    missed = listen(console, "delta", {"Last-Event-ID": "2-0-0"})
    assert missed["id"] == "3-0-0"
    assert [fix[0] for fix in json.loads(missed["data"])["fixes"]["w1"]] == [NOON_MS + 2_000]


def test_it_listens_on_this_machine_alone(field: Field, start_console: Start) -> None:
    console = start_console(field.url)
    port = int(console.origin.rpartition(":")[2])
    assert console.origin.startswith("http://127.0.0.1:")
    with socket.socket() as other:  # another address of this machine: the port is free there
        other.bind(("127.0.0.2", port))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_while_a_browser_listens(field: Field, start_console: Start, signum: signal.Signals) -> None:
    console = start_console(field.url)
    with httpx.Client(base_url=console.origin, timeout=20) as client:
        client.get(console.url)
        with client.stream("GET", "/api/stream") as response:
            next(messages(response))
            console.process.send_signal(signum)
            assert console.process.wait(15) == 0


def test_each_start_has_its_own_key(field: Field, start_console: Start) -> None:
    first, second = start_console(field.url), start_console(field.url)
    assert first.url.partition("key=")[2] != second.url.partition("key=")[2]
    assert httpx.get(second.origin + "/", params={"key": first.url.partition("key=")[2]}).status_code == 401


def refused(*arguments: str) -> str:
    """What the console says on stderr when it refuses to start."""
    done = subprocess.run([sys.executable, "-m", "bridge.console", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    return done.stderr


def test_it_says_what_is_wrong_with_what_it_was_given(field: Field, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.db"
    corrupt.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    assert "missing.db" in refused("--store", f"sqlite:///{tmp_path}/missing.db")
    assert not (tmp_path / "missing.db").exists()
    assert "corrupt.db" in refused("--store", f"sqlite:///{corrupt}")
    assert "--store" in refused()
    assert "port: got 70000" in refused("--store", field.url, "--port", "70000")
    assert "host: got '0.0.0.0', expected 127.0.0.1" in refused("--store", field.url, "--host", "0.0.0.0")
    assert "tile_url: got 'https://tiles.example.org'" in refused("--store", field.url, "--tiles", "https://tiles.example.org")
    assert "nowhere.geojson: town" in refused("--store", field.url, "--town", str(tmp_path / "nowhere.geojson"))


def test_a_port_in_use_is_named(field: Field) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"--port: got {port}, expected a free port" in refused("--store", field.url, "--port", str(port))
