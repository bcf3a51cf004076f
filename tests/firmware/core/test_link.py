"""Sealed messages over a bad radio: each gets across once, or its sender gives up; memory stays what it was."""

import heapq
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core import frame, link, message
from firmware.core.port import ticks_add
from tests.firmware.core.interpreter import run

TAG = 0x01000001
START_MS = 2**30 - 5000  # the clock wraps soon


def sealed(number: int, records: int = link.RECORDS_PER_RELAY) -> bytes:
    """Something with a header as of a sealed message; every byte depends on `number`."""
    buf = bytearray(message.HEADER)
    message.pack_header(buf, message.RECORDS, 1, records, TAG, number)
    return bytes(buf) + random.Random(number).randbytes(records * 32 + message.TAG_LENGTH)


def receipt(number: int) -> bytes:
    buf = bytearray(message.HEADER)
    message.pack_header(buf, message.DOWN, 1, message.RECEIPT_SIZE, TAG, number)
    return bytes(buf) + random.Random(-number).randbytes(message.RECEIPT_SIZE + message.TAG_LENGTH)


def fragments(data: bytes, message_id: int = 1, slot: int = 2) -> list[bytearray]:
    cut = link.Fragmenter(data, len(data), message_id, slot)
    frames = [bytearray(frame.SIZE) for _ in range(cut.total)]
    for index, one in enumerate(frames):
        cut.body_into(one, index)
    return frames


def whole(found: memoryview | None) -> bytes | None:
    return None if found is None else bytes(found)


def test_three_records_or_a_receipt_fit_one_relayed_message():
    assert link.RECORDS_PER_RELAY == 3
    assert len(sealed(1)) == 116 and len(fragments(sealed(1))) == 13
    assert len(fragments(receipt(1))) == 4
    with pytest.raises(ValueError, match="message of 148 bytes, expected 1 to 135"):
        link.Fragmenter(sealed(1, 4), 148, 1, 1)
    assert not link.Sender(1).start(sealed(1, 4), 148, 0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.permutations(range(13)))
def test_fragments_in_any_order_give_the_message_once(number: int, records: int, order: list[int]):
    data = sealed(number, records)
    frames = fragments(data)
    there = link.Reassembler()
    found = [whole(there.feed(TAG, frames[i], 0)) for i in order if i < len(frames)]
    assert [one for one in found if one is not None] == [data] and found[-1] == data
    for one in frames:
        assert there.feed(TAG, one, 1) is None and there.ack_due, "known already, but answered"
    ack = bytearray(frame.SIZE)
    assert there.ack_into(ack)
    assert ack[9:20] == bytes([1 << 4, 2]) + ((1 << len(frames)) - 1).to_bytes(2, "little") + bytes(7)


def test_four_tags_at_once_do_not_mix():
    there = link.Reassembler()
    messages = {sender: sealed(sender) for sender in range(1, 5)}
    cut = {sender: fragments(data, 7, sender) for sender, data in messages.items()}
    done = {}
    for index in range(13):
        for sender in messages:
            if (found := there.feed(sender, cut[sender][index], index)) is not None:
                done[sender] = bytes(found)
    assert done == messages


def test_the_one_not_heard_for_longest_makes_room():
    there = link.Reassembler()
    cut = {sender: fragments(sealed(sender)) for sender in range(1, 6)}
    for sender in (1, 2, 3, 4, 1):
        there.feed(sender, cut[sender][sender + 4], sender)
    found = [whole(there.feed(5, one, 50)) for one in cut[5]]
    assert found[-1] == sealed(5)
    rest = [there.feed(1, cut[1][index], 60) for index in range(13) if index != 5]
    assert whole(rest[-1]) is None or whole(rest[-1]) == sealed(1)


def test_a_new_message_under_an_old_id_replaces_what_was_left_of_the_other():
    there = link.Reassembler()
    for one in fragments(sealed(1))[:6]:
        there.feed(TAG, one, 0)
    found = [whole(there.feed(TAG, one, 5)) for one in fragments(sealed(2))]
    assert found[-1] == sealed(2)
    found = [whole(there.feed(TAG, one, 9)) for one in fragments(receipt(3))]
    assert found[-1] == receipt(3)


def test_fragments_that_came_long_ago_are_forgotten():
    there = link.Reassembler(forget_ms=1000)
    frames = fragments(sealed(1))
    for one in frames[:-1]:
        there.feed(TAG, one, START_MS)
    assert there.feed(TAG, frames[-1], ticks_add(START_MS, 6000)) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(min_size=11, max_size=11)), max_size=200), st.booleans())
@settings(max_examples=150)
def test_garbage_bodies_never_raise_and_take_no_more_memory(bodies: list[tuple[int, bytes]], towards_sender: bool):
    there = link.Reassembler()
    sender = link.Sender(2)
    data = sealed(9)
    sender.start(data, len(data), START_MS)
    before = sum(sys.getsizeof(place.data) for place in there._places)
    one = bytearray(frame.SIZE)
    for now, (who, body) in enumerate(bodies):
        one[9:20] = body
        found = there.feed(who, one, now)
        assert found is None or len(found) <= link.MESSAGE_MAX
        if towards_sender:
            sender.on_ack(one, ticks_add(START_MS, now))
            sender.poll(ticks_add(START_MS, now))
    assert len(there._places) == 4 and sum(sys.getsizeof(place.data) for place in there._places) == before


def test_on_a_good_radio_every_fragment_goes_once():
    air = Air(random.Random(0), loss=0, doubling=0, most_delay_ms=0)
    air.begin(sealed(1))
    air.run()
    assert air.sender.state == link.DONE and air.arrived == [sealed(1)]
    assert (air.fragments_sent, air.acks_sent) == (13, 1)


def test_with_nobody_there_the_sender_gives_up_and_is_ready_for_the_next():
    air = Air(random.Random(0), loss=1, doubling=0, most_delay_ms=0)
    air.begin(sealed(1))
    air.run()
    assert air.sender.state == link.GAVE_UP and air.fragments_sent == 13 + 10
    assert air.sender.wait_ms(air.now) == -1 and air.sender.poll(air.now) == -1
    assert air.sender.start(sealed(2), 116, air.now)


def test_the_same_message_sent_again_later_arrives_again():
    # The uplink does this when no receipt came: the home unit may have lost it after it answered.
    air = Air(random.Random(0), loss=0, doubling=0, most_delay_ms=0)
    for _ in range(3):
        air.begin(sealed(1))
        air.run()
    assert air.arrived == [sealed(1)] * 3


def test_a_message_under_way_can_be_abandoned_for_another_and_another_slot():
    air = Air(random.Random(0), loss=0, doubling=0, most_delay_ms=0)
    air.begin(sealed(1))
    for _ in range(40):
        air.step()
    assert air.sender.start(sealed(2), 116, air.now, slot=7)
    air.run()
    assert air.sender.state == link.DONE and air.arrived == [sealed(2)]


class Air:
    """A tag's Sender and a home unit's Reassembler with a radio between them that loses, doubles, delays and reorders."""

    def __init__(self, rng: random.Random, loss: float, doubling: float, most_delay_ms: int):
        self.rng, self.loss, self.doubling, self.most_delay_ms = rng, loss, doubling, most_delay_ms
        self.elapsed = 0
        self.sender = link.Sender(2)
        self.there = link.Reassembler()
        self.arrived: list[bytes] = []
        self.fragments_sent = self.acks_sent = 0
        self._flying: list[tuple[int, int, str, bytes]] = []
        self._number = 0

    @property
    def now(self) -> int:
        return ticks_add(START_MS, self.elapsed % 2**30)

    def begin(self, data: bytes) -> None:
        self.data = data
        assert self.sender.start(data, len(data), self.now)

    def _send(self, where: str, one: bytearray) -> None:
        for _ in range(1 + (self.rng.random() < self.doubling)):
            if self.rng.random() >= self.loss:
                self._number += 1
                at = self.elapsed + self.rng.randint(0, self.most_delay_ms)
                heapq.heappush(self._flying, (at, self._number, where, bytes(one)))

    def step(self, ms: int = 10) -> None:
        self.elapsed += ms
        index = self.sender.poll(self.now)
        if index >= 0:
            one = bytearray(frame.SIZE)
            self.sender.body_into(one, index)
            self.fragments_sent += 1
            self._send("there", one)
        while self._flying and self._flying[0][0] <= self.elapsed:
            _, _, where, one = heapq.heappop(self._flying)
            if where == "back":
                self.sender.on_ack(one, self.now)
                continue
            found = self.there.feed(TAG, one, self.now)
            if found is not None:
                self.arrived.append(bytes(found))
            if self.there.ack_due:
                ack = bytearray(frame.SIZE)
                assert self.there.ack_into(ack)
                self.acks_sent += 1
                self._send("back", ack)

    def run(self, most_ms: int = 600_000) -> None:
        end = self.elapsed + most_ms
        while self.sender.state == link.SENDING and self.elapsed < end:
            self.step()


@pytest.mark.parametrize("loss", [0.0, 0.2, 0.5, 0.8])
def test_over_a_bad_radio_messages_arrive_once_or_are_given_up(loss: float, seed: int):
    air = Air(random.Random(seed), loss, 0.3, 300)
    done = gave_up = 0
    for number in range(1, 60):
        data = sealed(number) if number % 3 else receipt(number)
        air.begin(data)
        air.run()
        count = air.arrived.count(data)
        if air.sender.state == link.DONE:
            assert count == 1
            done += 1
        else:
            assert air.sender.state == link.GAVE_UP and count <= 1
            gave_up += 1
    assert len(air.arrived) == len(set(air.arrived)), "twice"
    print(f"loss {loss}: {done} across, {gave_up} given up, {air.fragments_sent} fragments, {air.acks_sent} answers")
    assert done > 50 or loss > 0.6


class LinkMachine(RuleBasedStateMachine):
    """Any sequence of messages over an air whose quality changes in the middle of them."""

    def __init__(self) -> None:
        super().__init__()
        self.air = Air(random.Random(0), 0, 0, 0)
        self.sent: list[bytes] = []
        self.known_state = link.IDLE

    @rule(seed=st.integers(0, 9), loss=st.sampled_from([0, 0.1, 0.4, 0.7, 1]), doubling=st.sampled_from([0, 0.5]),
          delay=st.sampled_from([0, 50, 400]))  # fmt: skip
    def the_air_changes(self, seed: int, loss: float, doubling: float, delay: int) -> None:
        self.air.rng = random.Random(seed)
        self.air.loss, self.air.doubling, self.air.most_delay_ms = loss, doubling, delay

    @precondition(lambda self: self.air.sender.state != link.SENDING)
    @rule(records=st.integers(1, 3))
    def a_message_is_ready(self, records: int) -> None:
        data = sealed(len(self.sent) + 1, records)
        self.sent.append(data)
        self.air.begin(data)

    @rule(ms=st.integers(1, 8000))
    def time_passes(self, ms: int) -> None:
        for _ in range(0, ms, 20):
            self.air.step(20)

    @rule(body=st.binary(min_size=11, max_size=11))
    def a_neighbours_fragment_arrives(self, body: bytes) -> None:
        one = bytearray(frame.SIZE)
        one[9:20] = body
        self.air.there.feed(0x01000099, one, self.air.now)

    @invariant()
    def each_arrives_once_whole_and_what_is_done_has_arrived(self) -> None:
        assert len(self.air.arrived) == len(set(self.air.arrived))
        assert set(self.air.arrived) <= set(self.sent)
        if self.air.sender.state == link.DONE:
            assert self.sent[-1] in self.air.arrived

    def teardown(self) -> None:
        self.air.run(60_000)
        assert self.air.sender.state in (link.IDLE, link.DONE, link.GAVE_UP), "never stuck"


TestLinkMachine = LinkMachine.TestCase
TestLinkMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_the_device_cuts_and_joins_the_same_way():
    script = """
from firmware.core import frame, link
data = bytes.fromhex(sys.stdin.readline().strip())
there = link.Reassembler()
sender = link.Sender(3)
one = bytearray(24)
now = 0
sender.start(data, len(data), now)
while sender.state == link.SENDING:
    index = sender.poll(now)
    if index >= 0:
        sender.body_into(one, index)
        found = there.feed(5, one, now)
        if found is not None:
            print(now, bytes(found) == data)
        if there.ack_due and there.ack_into(one):
            sender.on_ack(one, now)
    now += max(1, sender.wait_ms(now))
print(sender.state == link.DONE, link.RECORDS_PER_RELAY)
"""
    assert run(script, [sealed(5).hex()]) == ["1200 True", "True 3"]
