"""Two radios on one bad air: a message gets across once and whole, or its sender knows that it did not."""

import pytest

from tests.firmware.virtual import run_virtual

SCRIPT = """
import bluetooth
from firmware.boards.drivers.ble import Ble
from firmware.core import message
from firmware.core.frame import Counter
from firmware.core.radio import Radio
KEY = bytes(16)
bluetooth.air.loss = {loss}
bluetooth.air.seed({seed})
class End:
    def __init__(self, device, peer):
        self.ble = Ble()
        self.got = []
        counter = Counter(lambda: 10, lambda limit: None)
        self.radio = Radio(self.ble, KEY, device, counter, lambda *a: None, self.take, lambda sender, slot: sender == peer)
        self.radio.opener.hear_after(peer, 10)
        self.ble.listen(0)
    def take(self, sender, data, n, slot):
        self.got.append((bytes(data), n, slot))
    async def hear(self, ms):
        await self.radio.hear(ms)
    async def listen(self):
        while True:
            await self.hear(1000)
def a_message(i, records=3):
    raw = bytearray(12)
    message.pack_header(raw, message.RECORDS, 1, records, 1, i)
    return bytes(raw) + bytes((i * 31 + j) & 255 for j in range(records * 32 + 8))
tag, unit = End(1, 2), End(2, 1)
async def main():
    listening = asyncio.create_task(unit.listen())
    sent, ok = [], []
    for i in range({n}):
        data = a_message(i, i % 4)
        began = time.ticks_ms()
        if await tag.radio.send(data, len(data), 5, tag.hear):
            ok.append(data)
        sent.append(data)
        took = time.ticks_diff(time.ticks_ms(), began)
        if took > 60000:
            print("took", took)
    got = [data for data, n, slot in unit.got]
    print(len(ok), len(got), len(set(got)), [slot for _, _, slot in unit.got] == [5] * len(got))
    print([data for data in got if data in ok] == ok, all(data in sent for data in got), all(n == len(d) for d, n, _ in unit.got))
    print(await tag.radio.send(bytes(136), 136, 5, tag.hear), unit.ble.dropped, tag.ble.dropped)
asyncio.run(main())
"""


@pytest.mark.parametrize("loss", [0, 300, 600])
def test_every_message_gets_across_once_and_in_order_through_loss(loss: int):
    lines = run_virtual(SCRIPT.format(loss=loss, seed=loss + 7, n=25))
    assert lines[0] == "25 25 25 True" and lines[1] == "True True True"
    assert lines[2].startswith("False"), "what is too long is refused"


def test_on_an_air_that_carries_next_to_nothing_no_message_is_claimed_that_did_not_arrive():
    lines = run_virtual(SCRIPT.format(loss=960, seed=3, n=12))
    assert all(line.startswith("took") is False for line in lines), "a sender gives up within a minute"
    ok, got, different, _ = lines[0].split()
    assert int(ok) <= int(got) == int(different), "and none arrives twice"
    assert lines[1] == "True True True"


def test_where_nobody_listens_the_sender_gives_up_and_says_so():
    lines = run_virtual(SCRIPT.format(loss=1000, seed=1, n=2))
    assert lines[0] == "0 0 0 True"


def test_frames_of_another_household_and_of_strangers_are_not_heard():
    script = (
        SCRIPT.split("async def main")[0].format(loss=0, seed=1, n=0)
        + """
other = Radio(Ble(), bytes(15) + b"x", 1, Counter(lambda: 0, lambda limit: None), None, None, None)
stranger = End(3, 2)
heard = []
unit.radio._on_frame = lambda kind, sender, *rest: heard.append(sender)
async def main():
    frame = bytearray(24)
    for radio in (other, stranger.radio, tag.radio):
        await radio.say(frame, 2, 200)
    unit.radio.attend()
    print(set(heard), unit.radio.opener.refused > 0)
asyncio.run(main())
"""
    )
    assert run_virtual(script) == ["{1} True"]


def test_without_a_counter_to_be_had_nothing_is_said():
    script = (
        SCRIPT.split("async def main")[0].format(loss=0, seed=1, n=0)
        + """
def full(limit):
    raise OSError(5)
mute = Radio(Ble(), KEY, 1, Counter(lambda: 0, full), None, None, None)
async def main():
    print(await mute.say(bytearray(24), 2, 200), await mute.send(a_message(1), 116, 5, tag.hear), bluetooth.air.said)
asyncio.run(main())
"""
    )
    assert run_virtual(script) == ["False False 0"]
