"""What the home unit holds for its tags: bounded whatever comes, in order, and never another's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core import message
from firmware.core.link import MESSAGE_MAX
from firmware.hmu.relay import Downward, Upward

UNIT = 0x02000001
TAGS = [0x01000001, 0x01000002]
PLACES = 6
DOWN_PLACES = 4


def up(upward: Upward, token: int) -> bytes:
    view = memoryview(bytearray(1024))
    return bytes(view[: upward.render(token, view)])


def relay_down(tag: int, inner: bytes, kind: int = message.RELAY_DOWN) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 0, 0, tag, 0)
    return bytes(header) + inner


def receipt(tag: int, number: int, kind: int = message.DOWN, body: int = message.RECEIPT_SIZE) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 1, body, tag, number)
    return bytes(header) + bytes([number & 0xFF]) * (body + message.TAG_LENGTH)


def take(downward: Downward, raw: bytes) -> bool:
    return downward.take(memoryview(bytearray(raw)), len(raw))


def test_a_message_goes_up_under_the_units_name_with_its_rssi_and_is_the_tags_own_inside():
    upward = Upward(b"t", UNIT)
    upward.put(-87, memoryview(b"sealed by the tag"))
    raw = up(upward, upward.poll(0))
    assert message.parse_header(raw) == (message.RELAY_UP, 0, 256 - 87, UNIT, 0)
    assert raw[message.HEADER :] == b"sealed by the tag"


def test_what_is_put_in_is_copied():
    buf = bytearray(b"first")
    upward = Upward(b"t", UNIT)
    upward.put(-50, memoryview(buf))
    buf[:] = b"other"
    assert up(upward, upward.poll(0)).endswith(b"first")


def test_when_it_is_full_the_oldest_goes_and_is_gone_for_the_session_too():
    upward = Upward(b"t", UNIT)
    upward.put(-50, b"0")
    oldest = upward.poll(0)
    upward.sent(oldest, 0)
    for i in range(1, PLACES + 1):
        upward.put(-50, b"%d" % i)
    assert upward.dropped == 1 and up(upward, oldest) == b""
    upward.acked(oldest, 0)
    upward.sent(oldest, 0)
    assert up(upward, upward.poll(0)).endswith(b"1")


class AnySession(RuleBasedStateMachine):
    """Against a plain list, with reconnections and acknowledgements of anything."""

    def __init__(self) -> None:
        super().__init__()
        self.upward = Upward(b"t", UNIT)
        self.model: list[tuple[int, bytes]] = []  # token, data
        self.sent: set[int] = set()
        self.n = 0

    @rule()
    def put(self) -> None:
        self.n += 1
        data = b"%d" % self.n
        self.upward.put(-60, data)
        self.model = [*self.model, (self.n, data)][-PLACES:]

    @rule()
    def send(self) -> None:
        token = self.upward.poll(0)
        waiting = [t for t, _ in self.model if t not in self.sent]
        assert token == (waiting[0] if waiting else -1)
        if token >= 0:
            assert up(self.upward, token)[message.HEADER :] == dict(self.model)[token]
            self.upward.sent(token, 0)
            self.sent.add(token)

    @rule(token=st.integers(0, 60))
    def acked(self, token: int) -> None:
        self.upward.acked(token, 0)
        self.model = [entry for entry in self.model if entry[0] != token]

    @rule()
    def reconnect(self) -> None:
        self.upward.restart(0)
        self.sent.clear()

    @invariant()
    def bounded(self) -> None:
        assert len(self.upward._queue) == len(self.model) <= PLACES


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(deadline=None, derandomize=True, max_examples=60)


def test_the_newest_messages_wait_for_each_tag_in_order():
    downward = Downward(TAGS)
    assert downward.pending() == 0 and downward.peek(TAGS[0]) is None
    for number in range(DOWN_PLACES + 2):
        assert take(downward, relay_down(TAGS[1], receipt(TAGS[1], number)))
    assert downward.pending() == 0b10 and downward.peek(TAGS[0]) is None and downward.dropped == 2
    for number in range(2, DOWN_PLACES + 2):
        assert downward.peek(TAGS[1]) == receipt(TAGS[1], number)
        downward.done(TAGS[1])
    assert downward.pending() == 0 and downward.peek(TAGS[1]) is None


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
    assert sum(len(queue) for queue in downward._waiting.values()) <= DOWN_PLACES * len(TAGS)
