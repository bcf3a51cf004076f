"""The brokers that Homeward starts: each device is confined to its own topics, and what was acknowledged is kept."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from bridge.broker.nats import EmbeddedBroker
from bridge.broker.users import User, device_user
from bridge.errors import ConfigError
from tests.brokers import BROKERS, USERS, Broker, Party, wait_for

UP = "hw/0/tag-000001/up"
DOWN = "hw/0/tag-000001/down"
STATE = "hw/0/tag-000001/state"


def test_a_device_and_the_bridge_reach_each_other(broker: Broker) -> None:
    with Party(broker.port, "bridge") as bridge, Party(broker.port, "tag-000001") as tag:
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
        assert tag.subscribe(DOWN)
        tag.publish(UP, b"records")
        tag.publish(STATE, b"online", retain=True)
        bridge.publish(DOWN, b"receipt")
        bridge.wait(lambda: sorted(bridge.payloads()) == [b"online", b"records"], "both messages of the tag")
        tag.wait(lambda: tag.payloads() == [b"receipt"], "the receipt")


@pytest.mark.parametrize(
    "topic",
    [
        "hw/0/tag-000002/up",
        "hw/0/tag-000002/state",
        "hw/0/tag-000002/down",
        DOWN,
        "hw/1/tag-000001/up",
        "hw/0/tag-000001",
        "hw",
        "up",
        "$MQTT/msgs/hw/0/tag-000002/up",
        "$MQTT/rmsgs/hw/0/tag-000002/state",
        "$SYS/broker/x",
        "hw.0.tag-000002.up",
    ],
)
def test_a_device_cannot_speak_for_another_nor_to_itself(broker: Broker, topic: str) -> None:
    with (
        Party(broker.port, "bridge") as bridge,
        Party(broker.port, "tag-000002") as other,
        Party(broker.port, "tag-000001") as tag,
    ):
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
        assert other.subscribe("hw/0/tag-000002/down")
        for qos in (0, 1):
            tag.client.publish(topic, b"spoof", qos)
        tag.publish(UP, b"mine")  # in order behind them: when it is there, they are not coming
        bridge.publish("hw/0/tag-000002/down", b"mine")
        bridge.wait(lambda: bridge.payloads() == [b"mine"], "the tag's own message alone")
        other.wait(lambda: other.payloads() == [b"mine"], "the bridge's own message alone")


@pytest.mark.parametrize(
    "pattern",
    ["hw/0/tag-000002/down", "hw/0/+/down", "hw/+/+/down", "hw/#", "#", "+/+/+/+", UP, STATE, "$SYS/#", "$MQTT/#", "$MQTT/msgs/#",
     "$MQTT/sub/#", "$JS/#", "hw/0/*/down", ">", "+/msgs/#"],
)  # fmt: skip
def test_a_device_hears_nothing_that_is_not_its_own(broker: Broker, pattern: str) -> None:
    with (
        Party(broker.port, "bridge") as bridge,
        Party(broker.port, "tag-000002") as other,
        Party(broker.port, "tag-000001") as tag,
    ):
        for qos in (0, 1):
            tag.subscribe(pattern, qos=qos)  # mosquitto grants it and delivers nothing
        assert tag.subscribe(DOWN)
        bridge.publish("hw/0/tag-000002/down", b"secret")
        other.publish("hw/0/tag-000002/up", b"secret")
        other.publish("hw/0/tag-000002/state", b"secret", retain=True)
        bridge.publish(DOWN, b"mine")
        tag.wait(lambda: b"mine" in tag.payloads(), "its own message")
        assert set(tag.payloads()) == {b"mine"}


def test_the_bridge_cannot_speak_as_a_device(broker: Broker) -> None:
    with Party(broker.port, "bridge") as bridge:
        assert bridge.subscribe("hw/+/+/up")
        bridge.publish(UP, b"spoof")
        with Party(broker.port, "tag-000001") as tag:
            tag.publish(UP, b"mine")
        bridge.wait(lambda: bridge.payloads() == [b"mine"], "the tag's message alone")


@pytest.mark.parametrize(
    ("name", "password"), [("tag-000001", "wrong"), ("tag-000001", ""), ("tag-000009", "password of tag-000009"), ("bridge", "x")]
)
def test_a_wrong_password_and_an_unlisted_client_are_refused(broker: Broker, name: str, password: str) -> None:
    with Party(broker.port, name, password) as party:
        assert party.connack is not None and party.connack.is_failure


def test_a_login_is_demanded(broker: Broker) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), 10) as wire:
        wire.sendall(b"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3abc")
        answer = wire.recv(4)
        assert answer == b"" or answer[3] in (4, 5)


def test_the_last_will_says_that_a_device_is_gone(broker: Broker) -> None:
    with Party(broker.port, "bridge") as bridge:
        assert bridge.subscribe("hw/+/+/state")
        tag = Party(broker.port, "tag-000001", will=(STATE, b"offline")).connect()
        tag.publish(STATE, b"online", retain=True)
        tag.close(rude=True)
        bridge.wait(lambda: bridge.payloads() == [b"online", b"offline"], "the last will")
    with Party(broker.port, "bridge", client_id="second") as late:
        assert late.subscribe("hw/+/+/state")
        late.wait(lambda: late.heard, "the retained state")
        assert [(h.payload, h.retain) for h in late.heard] == [(b"offline", True)]


@pytest.mark.slow
def test_a_fleet_of_more_than_a_thousand_may_subscribe(broker: Broker) -> None:
    with ExitStack() as stack:
        for first in range(1, 1_010, 16):  # a session: nats-server lets it have no more than sixteen
            bridge = stack.enter_context(Party(broker.port, "bridge", client_id=f"bridge{first}"))
            assert bridge.subscribe(*(f"hw/0/tag-{number:06}/up" for number in range(first, first + 16)))


def test_a_durable_session_keeps_messages_while_the_client_is_away(broker: Broker) -> None:
    with Party(broker.port, "tag-000001", clean=False) as tag:
        assert tag.subscribe(DOWN)
    with Party(broker.port, "bridge") as bridge:
        for i in range(300):
            bridge.publish(DOWN, b"%d" % i)
    with Party(broker.port, "tag-000001", clean=False) as tag:
        assert tag.session_present
        tag.wait(lambda: len(tag.heard) == 300, "what was sent meanwhile")
        assert tag.payloads() == [b"%d" % i for i in range(300)]


def test_a_restart_in_good_order_keeps_everything(broker: Broker) -> None:
    with Party(broker.port, "bridge", clean=False) as bridge:
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
    with Party(broker.port, "tag-000001") as tag:
        for i in range(50):
            tag.publish(UP, b"%d" % i)
    port = broker.port
    broker.restart()
    assert (broker.port, broker.alive) == (port, True)
    with Party(broker.port, "bridge", clean=False) as bridge:
        bridge.wait(lambda: len(bridge.heard) == 50, "what was acknowledged")
        assert bridge.payloads() == [b"%d" % i for i in range(50)]


def test_nats_keeps_what_it_acknowledged_when_it_is_killed(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker", 0, USERS) as broker:
        with Party(broker.port, "bridge", clean=False) as bridge:
            assert bridge.subscribe("hw/+/+/up")
        tag = Party(broker.port, "tag-000001").connect()
        for i in range(500):
            tag.publish(UP, b"%d" % i)
        broker.kill()
        tag.close()
        assert not broker.alive
        broker.start()
        with Party(broker.port, "bridge", clean=False) as bridge:
            bridge.wait(lambda: len(bridge.heard) >= 500, "what was acknowledged before the kill")
            assert sorted(bridge.payloads(), key=int) == [b"%d" % i for i in range(500)]


def test_what_the_bridge_did_not_acknowledge_comes_again_after_its_death(broker: Broker) -> None:
    with Party(broker.port, "bridge", clean=False, manual_ack=True) as bridge:
        assert bridge.subscribe("hw/+/+/up")
        with Party(broker.port, "tag-000001") as tag:
            for i in range(20):
                tag.publish(UP, b"%d" % i)
        bridge.wait(lambda: len(bridge.heard) == 20, "the messages")
        bridge.close(rude=True)
    with Party(broker.port, "bridge", clean=False) as bridge:
        bridge.wait(lambda: len(bridge.heard) >= 20, "the same messages again")
        assert sorted(set(bridge.payloads()), key=int) == [b"%d" % i for i in range(20)]


def test_a_user_added_or_removed_counts_without_a_restart(broker: Broker) -> None:
    pid = broker.pid
    fresh = device_user("0", "tag-000077", "password of tag-000077")
    broker.set_users((*[user for user in USERS if user.name != "tag-000002"], fresh))

    def refused(name: str) -> bool:
        with Party(broker.port, name) as party:
            return party.connack is not None and party.connack.is_failure

    wait_for(lambda: not refused("tag-000077"), "the new device to be let in")
    wait_for(lambda: refused("tag-000002"), "the removed device to be refused")
    assert broker.pid == pid


def test_a_port_in_use_is_named_and_nothing_is_started(broker_kind: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = BROKERS[broker_kind](tmp_path / "broker", port, USERS)
        with pytest.raises(ConfigError, match=f"port: got {port}, expected a port that is free"):
            broker.start()
    assert not broker.alive and broker.pid is None
    assert {path.name for path in (tmp_path / "broker").iterdir()} <= {"broker.lock"}
    broker.start()
    assert broker.port == port and broker.alive
    broker.stop()


def test_a_folder_in_use_is_refused_and_its_broker_left_alone(broker: Broker, broker_kind: str) -> None:
    second = BROKERS[broker_kind](broker.folder, 0, USERS)
    with pytest.raises(ConfigError, match="folder"):
        second.start()
    assert broker.alive
    with Party(broker.port, "tag-000001") as tag:
        assert tag.connack is not None and not tag.connack.is_failure


def test_a_broker_that_outlived_its_supervisor_is_ended_before_the_next_starts(broker_kind: str, tmp_path: Path) -> None:
    module, name = BROKERS[broker_kind].__module__, BROKERS[broker_kind].__name__
    script = (
        f"import time, pathlib\nfrom {module} import {name} as B\n"
        f"b = B(pathlib.Path({str(tmp_path / 'b')!r}))\nb.start()\nprint(b.pid, b.port, flush=True)\ntime.sleep(600)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid, port = map(int, supervisor.stdout.readline().split())
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    assert psutil.pid_exists(pid)
    with BROKERS[broker_kind](tmp_path / "b", port, USERS) as broker:
        assert broker.alive and broker.pid != pid
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_secrets_are_readable_by_their_owner_alone_and_nowhere_else(broker: Broker) -> None:
    with Party(broker.port, "tag-000001", "wrong"):
        pass
    for path in broker.folder.rglob("*"):
        if path.is_file() and b"password of" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert "password of" not in broker.log.read_text(errors="replace")
    assert broker.pid is not None
    assert "password" not in " ".join(psutil.Process(broker.pid).cmdline())
    assert "password of" not in repr(USERS)


def test_it_listens_on_this_machine_alone(broker: Broker) -> None:
    assert broker.pid is not None
    listening = [c.laddr for c in psutil.Process(broker.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert broker.port in [address.port for address in listening]
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_stop_and_start_may_be_repeated(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker(*USERS)
    pid = broker.pid
    broker.start()
    assert broker.pid == pid
    broker.stop()
    broker.stop()
    assert not broker.alive
    broker.start()
    assert pid is not None and broker.pid not in (None, pid)
    os.kill(broker.pid or 0, signal.SIGKILL)
    wait_for(lambda: not broker.alive, "the broker's death to be seen")
    broker.restart()
    assert broker.alive


@pytest.mark.parametrize(
    ("users", "what"),
    [
        ((User("a b", "x", (), ()),), "name"),
        ((User("a:b", "x", (), ()),), "name"),
        ((User('a"', "x", (), ()),), "name"),
        ((User("a", "x", (), ()), User("a", "y", (), ())), "no other user has"),
        ((User("a", "", (), ()),), "password of a"),
        ((User("a", "x\ny", (), ()),), "password of a"),
        ((User("a", "x", ("hw/#/up",), ()),), "topic pattern of a"),
        ((User("a", "x", (), ("hw/>/up",)),), "topic pattern of a"),
        ((User("a", "x", ("hw//up",), ()),), "topic pattern of a"),
    ],
)
def test_users_that_cannot_be_are_refused_by_name(tmp_path: Path, users: tuple[User, ...], what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        EmbeddedBroker(tmp_path / "b", 0, users)
    assert "x\\ny" not in str(caught.value)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("shard", "name"), [("", "tag-000001"), ("a/b", "tag-000001"), ("+", "tag-000001"), ("0", "tag-1"), ("0", "x")]
)
def test_a_device_user_needs_a_plain_shard_and_a_device_name(shard: str, name: str) -> None:
    with pytest.raises(ConfigError):
        device_user(shard, name, "x")


def test_a_user_without_topics_may_do_nothing(broker_kind: str, tmp_path: Path) -> None:
    nobody = User("nobody", "password of nobody", (), ())
    with BROKERS[broker_kind](tmp_path / "b", 0, (*USERS, nobody)) as broker, Party(broker.port, "bridge") as bridge:
        assert bridge.subscribe("hw/+/+/up")
        with Party(broker.port, "nobody") as party, Party(broker.port, "tag-000001") as tag:
            party.subscribe("#")
            party.publish(UP, b"spoof")
            tag.publish(UP, b"mine")
            bridge.wait(lambda: bridge.payloads() == [b"mine"], "the tag's message alone")
            assert not party.heard


def test_another_device_under_a_stolen_client_id_hears_nothing_of_its_owner(broker: Broker) -> None:
    with Party(broker.port, "tag-000001", clean=False) as tag:
        assert tag.subscribe(DOWN)
    with Party(broker.port, "bridge") as bridge:
        for i in range(5):
            bridge.publish(DOWN, b"%d" % i)
        with Party(broker.port, "tag-000002", client_id="tag-000001", clean=False) as thief:
            assert thief.subscribe("hw/0/tag-000002/down")
            bridge.publish("hw/0/tag-000002/down", b"its own")
            thief.wait(lambda: thief.heard, "its own message")
            assert thief.payloads() == [b"its own"]
    with Party(broker.port, "tag-000001", clean=False) as tag:
        tag.wait(lambda: len(tag.heard) >= 5, "what was kept for it")
        assert tag.payloads() == [b"%d" % i for i in range(5)]
