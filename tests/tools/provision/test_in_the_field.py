"""From a blank board to the broker: flashed and provisioned by the real commands, its own firmware starts, and a broker that
knows nobody but by certificate lets it in."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import func, select

from bridge.broker.nats import EmbeddedBroker
from bridge.broker.process import Tls
from bridge.broker.users import bridge_user, device_user
from bridge.settings import load_settings
from bridge.store import open_store, schema
from firmware.core import ident, message
from sim.board.board import Board
from tests.boards import Releases
from tests.tools.provision.boards import Ethernet, slot
from tests.tools.provision.test_provision import TAG, UNIT, worn
from tools.board import Link

ASKED = (("state", "mode"), ("settings", "absent_s"), ("uplink", "in flight"))


@pytest.fixture
def broker(folder: Path, tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """On the certificates that `homeward ca init` has made."""
    tls = Tls(folder / "tls/ca.crt", folder / "tls/broker.crt", folder / "tls/broker.key")
    users = [bridge_user("unused"), device_user("0", UNIT, "unused")]
    with EmbeddedBroker(tmp_path / "broker", 0, users, tls=tls) as one:
        for file in ("provision.toml", "bridge.toml"):
            text = (folder / file).read_text().replace("8883", str(one.port))
            (folder / file).write_text(text)
        yield one


class Ear:
    """The bridge's own login at the broker, by its certificate: what a device says there."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(folder / "bridge.toml")
        context = settings.broker_tls()
        assert context is not None and context.verify_mode == ssl.CERT_REQUIRED
        self.said: dict[str, list[bytes]] = {}
        self.news = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "ear")
        self._client.tls_set_context(context)
        self._client.on_message = self._heard
        self._client.on_connect = self._connected
        self._client.connect(settings.broker_host, settings.broker_port)
        self._client.loop_start()

    def _connected(self, client: mqtt.Client, *about: Any) -> None:
        client.subscribe([("hw/+/+/state", 1), ("hw/+/+/up", 1)])

    def _heard(self, client: Any, data: Any, heard: mqtt.MQTTMessage) -> None:
        with self.news:
            self.said.setdefault(heard.topic, []).append(bytes(heard.payload))
            self.news.notify_all()

    def wait(self, topic: str, word: bytes, within_s: float = 30.0) -> bytes:
        """The first message on a topic that has these bytes in it."""

        def found() -> list[bytes]:
            return [said for said in self.said.get(topic, []) if word in said]

        with self.news:
            assert self.news.wait_for(found, within_s), f"nothing on {topic}: {self.said}"
            return found()[0]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_a_blank_board_is_flashed_and_provisioned_and_the_broker_lets_it_in(
    command: Callable[..., Any], plugged: Callable[..., Board], folder: Path, tmp_path: Path, broker: EmbeddedBroker
) -> None:
    board = plugged()
    releases = Releases(tmp_path, "hmu_esp32_poe")
    flashed = ("flash", "hmu", "--board", "hmu_esp32_poe", "--port", board.serial_number)
    command(*flashed, "--release", releases.old, "--trust", releases.trust)
    ethernet, ear = Ethernet(board), Ear(folder)
    try:
        assert "hmu-000001: wrote" in command("provision").stdout
        state = json.loads(ear.wait(ident.topic("0", UNIT, ident.STATE), b"true"))
        assert state["board"] == "hmu_esp32_poe"
        sealed = ear.wait(ident.topic("0", UNIT, ident.UP), b"")
        header = message.parse_header(sealed)
        assert header is not None and header[3] == slot(board).device
    finally:
        ear.close()
        ethernet.close()


def test_a_tag_that_is_worn_knows_its_lease_and_its_settings_when_it_starts(
    command: Callable[..., Any], plugged: Callable[..., Board], folder: Path, tmp_path: Path
) -> None:
    worn(folder)
    board = plugged()
    releases = Releases(tmp_path)
    flashed = ("flash", "tag", "--board", "tag_t_a7670_l76k", "--port", board.serial_number)
    command(*flashed, "--release", releases.old, "--trust", releases.trust)
    assert "lease" in command("provision", TAG, "--yes").stdout
    with Link(board.port) as link:
        state, settings, uplink = (link.ask(word, prefix, 30) or "" for word, prefix in ASKED)
    assert "; lease 1 from " in state and " until 0" not in state
    assert "fix_interval_s=90" in settings
    last = int(uplink.split("orders: last ")[1].split()[0])
    engine = open_store(folder / "store.db")
    with engine.connect() as connection:
        numbers = connection.execute(select(func.max(schema.orders.c.number))).scalar()
    engine.dispose()
    assert last == numbers
