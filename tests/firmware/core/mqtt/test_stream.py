"""The real interpreter against real brokers over a bad network: everything arrives in order, and then the device is still."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware.core import record
from firmware.core.message import pack_receipt
from firmware.core.mqtt.session import DISABLED, REFUSED
from firmware.core.mqtt.stream import CONNECTED, LOST
from tests.brokers import Broker, wait_for
from tests.firmware.core.interpreter import HEAP, ROOT, micropython
from tests.firmware.core.mqtt.model import open_records, seal_down
from tests.firmware.core.mqtt.proxy import Proxy

DEVICE_SCRIPT = Path(__file__).with_name("device.py")
UP, DOWN, STATE = (f"hw/0/tag-000001/{leaf}" for leaf in ("up", "down", "state"))
DEADLINE_S = 60


class Bridge:
    """paho-mqtt with a durable session at the broker: stores what opens, and answers with a receipt."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.arrivals: list[int] = []  # first arrivals, in order
        self.stored: set[int] = set()
        self.through = 0
        self.counter = 0
        self.messages = 0
        self.states: list[bytes] = []
        self.subscribed = threading.Event()
        self.silent = False
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bridge", clean_session=False)
        if tls is None:
            self.client.username_pw_set("bridge", "password of bridge")
        else:
            self.client.tls_set_context(tls)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe([("hw/+/+/up", 1), ("hw/+/+/state", 1)]) and None
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(10)

    def _take(self, _client: mqtt.Client, _user: object, m: mqtt.MQTTMessage) -> None:
        if m.topic == STATE:
            self.states.append(bytes(m.payload))
            return
        records = open_records(bytes(m.payload))
        assert records
        self.messages += 1
        for raw in records:
            assert record.is_intact(raw)
            seq = record.seq_of(raw)
            if seq not in self.stored:
                self.arrivals.append(seq)
                self.stored.add(seq)
        while self.through + 1 in self.stored:
            self.through += 1
        if not self.silent:
            self.counter += 1
            first = record.seq_of(records[0])
            self.client.publish(DOWN, seal_down(self.counter, pack_receipt(self.through, first)), 1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Device:
    """The interpreter's process, and what it said."""

    def __init__(
        self, port: int, folder: Path, records: int, batch: int, password: str = "password of tag-000001", tls: Sequence[str] = ()
    ) -> None:
        self.lines: list[str] = []
        self.errors = open(folder / "device.err", "w+")  # noqa: SIM115 - closed with the device
        arguments = [str(ROOT), str(port), str(folder / "journal"), str(records), str(batch), password, *tls]
        self.process = subprocess.Popen(
            [micropython(), "-X", f"heapsize={HEAP}", str(DEVICE_SCRIPT), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def events(self, kind: int) -> list[int]:
        return [int(line.split()[2]) for line in self.lines if line.startswith(f"event {kind} ")]

    def figures(self) -> dict[str, int]:
        line = next((line for line in self.lines if line.startswith("drained")), "")
        return {name: int(value) for name, value in (word.split("=") for word in line.split()[1:])}

    def wait(self, what: Callable[[], object], why: str) -> None:
        def look() -> object:
            assert self.process.poll() is None, f"the device ended: {self.complaints()}"
            return what()

        wait_for(look, f"{why}; the device said {self.lines[-3:]} {self.complaints()}", DEADLINE_S)

    def complaints(self) -> str:
        return Path(self.errors.name).read_text()[-2000:]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                stream.close()


@pytest.fixture
def make_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def make(port: int, records: int, batch: int = 1, **more: Any) -> Device:
        made.append(Device(port, tmp_path, records, batch, **more))
        return made[-1]

    yield make
    for device in made:
        device.close()
        assert not device.complaints()


@pytest.fixture
def bridge(broker: Broker) -> Iterator[Bridge]:
    one = Bridge(broker.port)
    yield one
    one.close()


@pytest.mark.slow
def test_a_thousand_messages_arrive_in_order_over_a_network_that_breaks_in_every_way(
    broker: Broker, bridge: Bridge, make_device: Callable[..., Device]
) -> None:
    with Proxy(broker.port) as proxy:
        device = make_device(proxy.port, 1000)

        def reconnected(after: int) -> None:
            device.wait(lambda: len(device.events(CONNECTED)) > after, "a new connection")

        def at(n: int) -> int:
            device.wait(lambda: len(bridge.arrivals) >= n, f"{n} records")
            return len(device.events(CONNECTED))

        connections = at(100)
        proxy.reset()
        reconnected(connections)

        connections = at(250)
        proxy.black_hole()
        lost = len(device.events(LOST))
        device.wait(lambda: len(device.events(LOST)) >= lost + 2, "the device to give up twice: a dead link, then no answer")
        proxy.heal()
        reconnected(connections)

        connections = at(400)
        proxy.refuse()
        lost = len(device.events(LOST))
        device.wait(lambda: len(device.events(LOST)) >= lost + 3, "refused connections")
        proxy.heal()
        reconnected(connections)

        for n, how in ((550, broker.kill), (700, broker.stop)):
            connections = at(n)
            # The bridge is back first: a broker without its session would take messages for nobody.
            proxy.refuse()
            how()
            bridge.subscribed.clear()
            broker.start()
            assert bridge.subscribed.wait(20)
            proxy.heal()
            reconnected(connections)

        for n in (800, 850, 900):
            connections = at(n)
            proxy.reset()
            reconnected(connections)

        device.wait(lambda: device.figures(), "everything to be receipted and acknowledged")
        figures = device.figures()
        print(figures, "messages at the bridge", bridge.messages, "bytes up", proxy.up_bytes)
        assert bridge.arrivals == list(range(1, 1001))
        assert figures["made"] == 1000 and figures["acknowledged"] >= 1000 - 4 * figures["attempts"]
        assert figures["most"] <= 4 and figures["refused"] == 0
        device.wait(lambda: bridge.states[-1] == b"online", "the word that it is online")

        # Idle: no polling. The interval is what is measured.
        process = psutil.Process(device.process.pid)
        before = process.cpu_times(), process.num_ctx_switches().voluntary
        threading.Event().wait(2)
        after = process.cpu_times(), process.num_ctx_switches().voluntary
        used = after[0].user + after[0].system - before[0].user - before[0].system
        print(f"idle for 2 s: {used * 1000:.0f} ms of CPU, {after[1] - before[1]} wakeups")
        assert used <= 0.05 and after[1] - before[1] < 10


def test_a_silent_bridge_gets_everything_again_and_then_frees_it(
    broker: Broker, bridge: Bridge, make_device: Callable[..., Device]
) -> None:
    bridge.silent = True
    device = make_device(broker.port, 200, batch=32)
    device.wait(lambda: bridge.messages >= 5, "the first messages, and one again")
    assert not device.figures() and bridge.through <= 4 * 32
    bridge.silent = False
    device.wait(device.figures, "everything to be receipted")
    assert bridge.arrivals == list(range(1, 201)) and device.figures()["repeats"] > 0


def test_switched_off_it_says_goodbye_and_switched_on_it_comes_back(
    broker: Broker, bridge: Bridge, make_device: Callable[..., Device]
) -> None:
    device = make_device(broker.port, 5)
    device.wait(device.figures, "its records to be receipted")
    device.say("off")
    device.wait(lambda: device.events(LOST) == [DISABLED], "the end of the connection")
    device.say("on")
    device.wait(lambda: device.events(CONNECTED) == [0, 1], "a resumed session")
    wait_for(lambda: bridge.states == [b"online", b"online"], "its state again, and no last will in between")


def test_a_device_that_dies_is_said_to_be_offline(broker: Broker, bridge: Bridge, make_device: Callable[..., Device]) -> None:
    device = make_device(broker.port, 5)
    device.wait(device.figures, "its records to be receipted")
    device.process.kill()
    wait_for(lambda: bridge.states == [b"online", b"offline"], "the last will")


def test_a_refused_login_is_not_repeated_at_once(broker: Broker, make_device: Callable[..., Device]) -> None:
    device = make_device(broker.port, 5, password="wrong")
    device.wait(lambda: device.events(LOST) == [REFUSED], "the refusal")
    threading.Event().wait(1)
    assert device.events(LOST) == [REFUSED]


@pytest.mark.parametrize("broker_kind", ["nats"], indirect=True)
def test_the_journal_outlives_the_device(broker: Broker, bridge: Bridge, make_device: Callable[..., Device]) -> None:
    device = make_device(broker.port, 500, batch=4)
    device.wait(lambda: len(bridge.arrivals) > 100, "some of its records")
    device.process.kill()
    device.process.wait()
    again = make_device(broker.port, 500, batch=4)
    again.wait(again.figures, "everything to be receipted")
    assert sorted(bridge.stored) == list(range(1, 501)) and bridge.arrivals == list(range(1, 501))


def test_it_can_be_switched_off_and_on_while_a_connection_does_not_come_about(
    broker: Broker, bridge: Bridge, make_device: Callable[..., Device]
) -> None:
    with Proxy(broker.port) as proxy:
        proxy.black_hole()
        device = make_device(proxy.port, 5)
        device.wait(lambda: proxy.accepted, "its first attempt")
        device.say("off")
        device.wait(lambda: device.events(LOST) == [DISABLED], "the end of the attempt")
        proxy.heal()
        device.say("on")
        device.wait(device.figures, "its records to be receipted")
