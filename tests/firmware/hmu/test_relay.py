"""What the home unit holds for its tags: in flash until answered, sent in order, bounded whatever comes, never another's."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core import message
from firmware.core.blockdev import RamDevice
from firmware.core.link import MESSAGE_MAX
from firmware.hmu.relay import Downward, Upward

UNIT = 0x02000001
TAGS = [0x01000001, 0x01000002]
WINDOW = 16
ANSWER_MS = 60_000
DOWN_PLACES = 4


def records(first: int, count: int = 1, tag: int = TAGS[0]) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, message.RECORDS, 1, count, tag, first)
    return bytes(header) + random.Random(first).randbytes(count * 32 + message.TAG_LENGTH)


def upward(flash=None) -> Upward:
    return Upward(b"t", UNIT, TAGS, flash or RamDevice(8, 1024))


def up(source: Upward, token: int) -> bytes:
    view = memoryview(bytearray(1024))
    return bytes(view[: source.render(token, view)])


def send(source: Upward, now: int, ack: bool = True) -> list[int]:
    """All that goes now, as a session sends it."""
    tokens = []
    while (token := source.poll(now)) >= 0:
        source.sent(token, now)
        if ack:
            source.acked(token, now)
        tokens.append(token)
    return tokens


def relay_down(tag: int, inner: bytes, kind: int = message.RELAY_DOWN, answers: int = 0) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 0, 0, tag, answers)
    return bytes(header) + inner


def receipt(tag: int, number: int, kind: int = message.DOWN, body: int = message.RECEIPT_SIZE) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 1, body, tag, number)
    return bytes(header) + bytes([number & 0xFF]) * (body + message.TAG_LENGTH)


def take(downward: Downward, raw: bytes) -> bool:
    return downward.take(memoryview(bytearray(raw)), len(raw))


def test_a_message_goes_up_under_the_units_name_with_its_token_and_rssi_and_is_the_tags_own_inside():
    source = upward()
    assert source.put(-87, memoryview(records(1, 3)))
    raw = up(source, source.poll(0))
    assert message.parse_header(raw) == (message.RELAY_UP, 0, 256 - 87, UNIT, 1)
    assert raw[message.HEADER :] == records(1, 3)


def test_what_is_put_in_is_copied():
    buf = bytearray(records(1))
    source = upward()
    source.put(-50, memoryview(buf))
    buf[:] = bytes(len(buf))
    assert up(source, source.poll(0)).endswith(records(1))


def test_a_puback_frees_nothing_and_an_answer_frees_all_up_to_it():
    source = upward()
    for first in range(1, 6):
        source.put(-50, records(first))
    assert send(source, 0) == [1, 2, 3, 4, 5] and source.store.pending == 5
    assert source.answered(3, 10) and source.store.pending == 2
    assert not source.answered(3, 20) and not source.answered(0, 20) and not source.answered(6, 20), "no such message waits"
    assert source.answered(5, 30) and source.store.pending == 0 and source.due_ms(40) == -1


def test_what_is_not_answered_is_sent_again_in_order_and_ever_more_seldom():
    source = upward()
    for first in range(1, 4):
        source.put(-50, records(first))
    now, sent = 0, []
    assert send(source, 0) == [1, 2, 3]
    while now < 24 * 3600_000:
        assert source.due_ms(now) > 0
        now += source.due_ms(now)
        sent.append(now)
        assert send(source, now) == [1, 2, 3]
    assert sent[0] == ANSWER_MS and len(sent) < 185, "a bridge that is down does not find its broker full of copies"
    assert source.store.pending == 3 and source.unanswered == 0


def test_at_most_a_window_is_on_its_way_and_a_new_connection_begins_at_the_oldest():
    source = upward(RamDevice(16, 1024))
    for first in range(1, 60):
        source.put(-50, records(first))
    assert send(source, 0) == list(range(1, WINDOW + 1))
    source.answered(4, 0)
    assert send(source, 0) == list(range(WINDOW + 1, WINDOW + 5))
    source.restart(0)
    assert send(source, 0, ack=False) == list(range(5, WINDOW + 5))


def test_a_message_that_a_living_bridge_never_answers_is_given_up_and_counted():
    source = upward()
    source.put(-50, records(1))
    now = 0
    for _ in range(3):
        assert send(source, now) == [1]
        source.bridge_lives()
        now += ANSWER_MS
    assert send(source, now) == [] and source.unanswered == 1 and source.store.pending == 0
    source.put(-50, records(2))
    assert send(source, now) == [2], "it stands in nobody's way"


def test_what_a_tag_sends_again_while_it_stands_here_is_kept_once():
    source = upward()
    for first in (1, 4, 7):
        source.put(-50, records(first, 3))
    for first in (1, 7):
        assert source.put(-51, records(first, 3))
    assert source.put(-52, records(7, 1)) and source.doubles == 3 and source.store.pending == 3
    assert source.put(-52, records(7, 3, TAGS[1])) and source.store.pending == 4, "another tag's are others"
    send(source, 0)
    source.answered(4, 0)
    assert source.put(-50, records(1, 3)) and source.store.pending == 1, "freed: it may have been lost beyond"


def test_when_it_is_full_the_oldest_goes_and_is_counted_and_gone_for_the_session_too():
    source = upward(RamDevice(2, 1024))
    source.put(-50, records(1))
    assert send(source, 0, ack=False) == [1]
    for first in range(2, 14):
        source.put(-50, records(first))
    assert source.store.lost == 6 and up(source, 1) == b""
    source.acked(1, 0)
    assert send(source, 0) == list(range(7, 14))


def test_after_a_power_cut_everything_unanswered_is_there_and_goes_in_order():
    flash = RamDevice(8, 1024)
    source = upward(flash)
    for first in range(1, 20):
        source.put(-50, records(first))
    send(source, 0)
    source.answered(8, 0)
    source = upward(RamDevice(8, 1024, flash.data))
    tokens = send(source, 0)
    assert tokens == list(range(tokens[0], tokens[0] + WINDOW)) and tokens[0] <= 9, "more than once, if the answer was not kept"
    source.answered(16, 0)
    assert send(source, 0)[-1] == 19 and up(source, 19).endswith(records(19))
    assert source.put(-50, records(20)) and send(source, 0) == [20]


class Broken(RamDevice):
    def writeblocks(self, block, buf, offset=None):
        raise OSError(5)


def test_a_unit_whose_flash_is_dead_still_relays_what_its_ram_holds():
    for flash in (Broken(8, 1024), None):
        source = Upward(b"t", UNIT, TAGS, flash)
        for first in range(1, 10):
            assert source.put(-50, records(first))
        assert [up(source, token)[message.HEADER :] for token in send(source, 0)] == [records(first) for first in range(1, 10)]
        for first in range(10, 1000):
            assert source.put(-50, records(first))
        assert 12 <= source.store.pending <= 18 and source.refused == 0


@pytest.mark.parametrize(
    "data", [b"", b"garbage, garbage", records(1, tag=0x01000009), receipt(TAGS[0], 1), records(1)[:-1], records(1) + b"x"]
)
def test_what_is_no_message_of_a_tag_of_ours_is_not_kept(data: bytes):
    source = upward()
    source.put(-50, data)
    assert source.store.pending == 0 and source.refused == 1


class AnySession(RuleBasedStateMachine):
    """Against a plain list: any order of messages, connections, answers, silences and restarts of the unit."""

    def __init__(self) -> None:
        super().__init__()
        self.flash = RamDevice(8, 1024)
        self.source = upward(self.flash)
        self.model: dict[int, bytes] = {}  # token -> data, unanswered
        self.n = 0
        self.freed = 0
        self.sent: list[int] = []  # in this connection, since the last silence
        self.now = 0

    @rule(count=st.integers(1, 3))
    def put(self, count: int) -> None:
        if len(self.model) >= 30:
            return
        data = records(10 * self.n + 1, count)
        self.n += 1
        assert self.source.put(-60, data)
        self.model[self.n] = data

    @rule()
    def send(self) -> None:
        token = self.source.poll(self.now)
        unsent = [t for t in self.model if t not in self.sent and t > max(self.sent, default=0)]
        allowed = unsent[:1] if unsent and unsent[0] - min(self.model) < WINDOW else []
        assert token == (allowed[0] if allowed else -1)
        if token >= 0:
            assert up(self.source, token)[message.HEADER :] == self.model[token]
            self.source.sent(token, self.now)
            self.source.acked(token, self.now)
            self.sent.append(token)

    @rule(token=st.integers(0, 60))
    def answered(self, token: int) -> None:
        assert self.source.answered(token, self.now) == (token in self.model)
        if token in self.model:
            self.freed = token
            self.model = {t: data for t, data in self.model.items() if t > token}

    @rule()
    def reconnect(self) -> None:
        self.source.restart(self.now)
        self.sent.clear()

    @rule()
    def cut(self) -> None:
        self.source.store.sync()
        self.source = upward(RamDevice(8, 1024, self.source.store._device.data))
        self.sent.clear()
        back = self.source.store.first_unreleased
        assert back <= min(self.model, default=self.n + 1), "nothing unanswered is gone"
        if back <= self.freed:
            self.source.store.release(self.freed)  # sent again, and answered again

    @invariant()
    def holds(self) -> None:
        assert self.source.store.pending == len(self.model)


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(deadline=None, derandomize=True, max_examples=60)


def test_the_newest_messages_wait_for_each_tag_in_order():
    downward = Downward(TAGS)
    assert downward.pending() == 0 and downward.peek(0) is None
    for number in range(DOWN_PLACES + 2):
        assert take(downward, relay_down(TAGS[1], receipt(TAGS[1], number)))
    assert downward.pending() == 0b10 and downward.peek(0) is None and downward.dropped == 2
    for number in range(2, DOWN_PLACES + 2):
        assert downward.peek(1) == receipt(TAGS[1], number)
        downward.done(1)
    assert downward.pending() == 0 and downward.peek(1) is None


def test_what_the_bridge_sends_again_waits_once():
    downward = Downward(TAGS)
    for _ in range(3):
        assert take(downward, relay_down(TAGS[0], receipt(TAGS[0], 1)))
    downward.done(0)
    assert downward.pending() == 0 and downward.dropped == 0


def test_the_token_that_is_answered_is_told():
    downward = Downward(TAGS)
    assert take(downward, relay_down(TAGS[0], receipt(TAGS[0], 1), answers=77)) and downward.answers == 77
    assert take(downward, relay_down(TAGS[0], receipt(TAGS[0], 2))) and downward.answers == 0


def test_what_is_for_the_unit_itself_is_left_to_it():
    downward = Downward(TAGS)
    assert not take(downward, receipt(UNIT, 1)) and not take(downward, b"") and not take(downward, b"garbage, garbage")
    assert downward.pending() == 0 and downward.dropped == 0


@pytest.mark.parametrize(
    "raw",
    [
        relay_down(0x01000009, receipt(0x01000009, 1)),  # no tag of this household
        relay_down(TAGS[0], b""),
        relay_down(TAGS[0], receipt(TAGS[0], 1, message.RECORDS, 1)),
        relay_down(TAGS[0], relay_down(TAGS[0], receipt(TAGS[0], 1))),
        relay_down(TAGS[0], receipt(TAGS[0], 1, body=MESSAGE_MAX)),
    ],
)
def test_what_no_tag_could_take_is_dropped_and_counted(raw: bytes):
    downward = Downward(TAGS)
    assert take(downward, raw) and downward.dropped == 1 and downward.pending() == 0


@settings(derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(lambda inner: relay_down(TAGS[0], inner)), max_size=30))
def test_no_bytes_from_the_broker_raise_or_pile_up(raws: list[bytes]):
    downward = Downward(TAGS)
    for raw in raws:
        take(downward, raw)
    assert sum(len(queue) for queue in downward._waiting) <= DOWN_PLACES * len(TAGS)
