"""The direct way: brought up when wanted, emptied before it is hung up, tried again later and later when it cannot be had.

On a real broker's socket in real time: `tests/firmware/core/mqtt/test_stream.py`. Here the link is scripted, the socket is one
end of the silicon's, and a broker of a few lines answers at the other, so that minutes take no time.
"""

import pytest

from tests.firmware.virtual import run_virtual

SCRIPT = """
import household as h
import broker
from firmware.core import record
from firmware.core.blockdev import RamDevice
from firmware.core.carrier import Carrier
from firmware.core.clock import Clock
from firmware.core.journal import Journal
from firmware.core.provision import Provision
from firmware.core.recorder import Recorder
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink
class Link:
    takes_ms = 3000
    works = True
    def __init__(self):
        self.log = []
        self.on = False
    def is_up(self):
        return self.on and self.works
    async def up(self):
        self.log.append(("up", _hw.now))
        await asyncio.sleep_ms(self.takes_ms)
        self.on = self.works
        return self.on
    async def down(self):
        self.log.append(("down", _hw.now))
        self.on = False
class State:
    mode, charging, moving, battery = 1, False, False, 50
link = Link()
provision = Provision(h.provision(h.TAG, [h.UNIT], {}))
journal = Journal(RamDevice(8))
journal.mount()
uplink = Uplink(journal, Ccm(h.KEY), h.TAG, 1, b"hw/0/tag-000001/up", report_interval_ms=300000)
carrier = Carrier(link, provision, "flat", uplink)
def recorded(urgent):
    if urgent:
        uplink.urgent = True
    carrier.notify()
recorder = Recorder(journal, Clock(), 1, State(), recorded)
broker.start(h.KEY, h.TAG)
async def until(what, limit_ms):
    began = _hw.now
    while not what():
        if _hw.now - began > limit_ms:
            raise RuntimeError("not within %d ms" % limit_ms)
        await asyncio.sleep_ms(20)
    return _hw.now - began
async def main():
    asyncio.create_task(carrier.run())
    asyncio.create_task(carrier.stream.run())
    await asyncio.sleep_ms(0)
"""


def lived(body: str) -> list[str]:
    inner = "".join("    " + line + "\n" for line in body.strip().splitlines())
    return run_virtual(SCRIPT + inner + "asyncio.run(main())\n")


def test_an_unwanted_link_is_left_alone():
    assert lived("await asyncio.sleep_ms(3600_000)\nprint(link.log, carrier.is_off)") == ["[] True"]


def test_what_is_made_goes_out_at_once_when_it_is_urgent_and_all_of_it_before_it_is_hung_up():
    lines = lived(
        """
carrier.want(True)
recorder.event(record.BOOT)
print(await until(lambda: uplink.drained, 10_000) < 5000, carrier.is_off)
for i in range(20):
    recorder.event(record.STATUS, i, urgent=False)
await asyncio.sleep_ms(5000)
print(sorted(broker.stored))
carrier.want(False)
print(await until(lambda: carrier.is_off, 10_000) < 8000, uplink.drained, sorted(broker.stored) == list(range(1, 22)))
print([what for what, _ in link.log], broker.goodbyes)
"""
    )
    assert lines == ["True False", "[1]", "True True True", "['up', 'down'] 1"]


def test_a_bridge_that_says_nothing_keeps_the_link_for_the_drain_time_and_no_longer():
    lines = lived(
        """
broker.silent = True
carrier.want(True)
recorder.event(record.BOOT)
await until(lambda: broker.stored, 20_000)
carrier.want(False)
took = await until(lambda: carrier.is_off, 120_000)
print(55_000 <= took <= 66_000, uplink.drained, link.on)
"""
    )
    assert lines == ["True False False"]


def test_who_comes_back_while_it_drains_keeps_the_same_connection():
    lines = lived(
        """
broker.silent = True
carrier.want(True)
recorder.event(record.BOOT)
await until(lambda: broker.stored, 20_000)
carrier.want(False)
await asyncio.sleep_ms(20_000)
carrier.want(True)
await asyncio.sleep_ms(300_000)
print([what for what, _ in link.log], link.on, broker.logins, carrier.is_off)
"""
    )
    assert lines == ["['up'] True 1 False"]


def test_a_link_that_cannot_be_had_is_tried_again_after_pauses_that_double_up_to_ten_minutes():
    lines = lived(
        """
link.works = False
carrier.want(True)
await asyncio.sleep_ms(4 * 3600_000)
ups = [t for what, t in link.log if what == "up"]
print([(b - a - 3000) // 1000 for a, b in zip(ups, ups[1:])][:9])
link.works = True
recorder.event(record.BOOT)
print(await until(lambda: uplink.drained, 700_000) > 0)
"""
    )
    assert lines == ["[15, 30, 60, 120, 240, 480, 600, 600, 600]", "True"]


def test_an_unwanted_link_is_not_tried_again_and_a_wanted_one_starts_anew():
    lines = lived(
        """
link.works = False
carrier.want(True)
await asyncio.sleep_ms(400_000)
carrier.want(False)
await asyncio.sleep_ms(10_000)
print(carrier.is_off)
n = len(link.log)
await asyncio.sleep_ms(3600_000)
print(len(link.log) - n)
"""
    )
    assert lines == ["True", "0"]


@pytest.mark.parametrize("away_s", [30, 3000])
def test_a_link_that_breaks_is_dialled_again_and_nothing_is_lost(away_s: int):
    lines = lived(
        f"""
carrier.want(True)
recorder.event(record.BOOT)
await until(lambda: uplink.drained, 20_000)
for i in range(3):
    link.works = False
    broker.cut()
    recorder.event(record.STATUS, i)
    await asyncio.sleep_ms({away_s} * 1000)
    link.works = True
    await until(lambda: uplink.drained, 1300_000)
print(sorted(broker.stored), len([1 for what, _ in link.log if what == "up"]) >= 3)
"""
    )
    assert lines == ["[1, 2, 3, 4] True"]


def test_to_a_broker_on_another_machine_it_speaks_by_tls_alone():
    lines = lived(
        """
import json
from firmware.core import provision as p
def attempt(host, store=None):
    fields = json.loads(h.provision(h.TAG, [h.UNIT], {}))
    fields["broker"][0] = host
    one = p.Provision(json.dumps(fields).encode())
    one.store = store
    try:
        Carrier(link, one, "flat", uplink)
        return "built"
    except p.ProvisionError as error:
        return str(error)
class Store:
    def blob(self, name, size):
        return b"rubbish"
for host in ("127.0.0.1", "localhost", "127.1.2.3", "10.0.0.9", "broker.example", "127.example.org", "0.0.0.0"):
    print(host, attempt(host)[:12])
print(attempt("broker.example", Store()))
"""
    )
    assert lines == [
        "127.0.0.1 built", "localhost built", "127.1.2.3 built", "10.0.0.9 ca: missing,", "broker.example ca: missing,",
        "127.example.org ca: missing,", "0.0.0.0 ca: missing,", "ca, cert, cert_key: expected certificates and a key in DER",
    ]  # fmt: skip
