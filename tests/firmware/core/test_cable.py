"""What a device hands over by a cable: every record once, whatever becomes of the cable; and nothing but receipts frees one."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.core import message
from tests.firmware.core.cabled import Cabled, Wire

RECORDS = 700


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Callable[..., Cabled]]:
    made: list[Cabled] = []

    def make(records: int = RECORDS, **more) -> Cabled:
        made.append(Cabled(tmp_path, records, **more))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()


def all_there(one: Cabled, records: int = RECORDS) -> None:
    assert sorted(one.bridge.records) == list(range(1, records + 1))


def test_a_journal_is_handed_over_whole_in_the_largest_messages(cable):
    one = cable()
    one.run(lambda: one.is_drained, "all is handed over")
    all_there(one)
    assert one.bridge.messages <= -(-RECORDS // 64) + 4 and one.docked_times == 1, "after some short ones at the beginning"
    first = one.backlogs[0]
    assert first.next == RECORDS + 1 and one.backlogs[-1].first == RECORDS + 1
    assert len(one.said) < 1.08 * RECORDS * 32, "seals, frames, acknowledgements and states together"


def test_nothing_is_freed_without_a_receipt_and_a_stranger_can_neither_make_nor_replay_one(cable):
    one = cable(300)
    one.gives_receipts = False
    one.run(lambda: one.bridge.messages >= 4, "the uplink's window is full")
    forged = one.bridge.down(message.pack_receipt(300, 1))
    for payload in (forged[:-1] + bytes([forged[-1] ^ 1]), forged[:-4], b"", bytes(40), bytes(280)):
        one.send(payload)
    before = len(one.backlogs)
    one.run(lambda: len(one.backlogs) >= before + 4, "it was asked again")
    assert one.backlogs[-1].first == 1 and not one.is_drained
    one.send(forged)
    one.run(lambda: one.backlogs[-1].first == 301, "the bridge's own frees them")


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow) for turn in (1, 2))])
def test_on_a_bad_line_all_comes_and_nothing_twice(cable, seed: int, turn: int):
    one = cable(wire=Wire(seed + turn, 0.0003))  # half of the largest messages are hit
    one.run(lambda: one.bridge.through == RECORDS, "every record is with the bridge")
    one.wire.rate = 0
    one.run(lambda: one.is_drained, "the device knows it")
    all_there(one)


def test_power_and_cable_may_go_at_any_byte(cable, seed: int):
    chance = random.Random(seed)
    one = cable()
    for turn in range(8):
        one.run_bytes(chance.randrange(1, 6000))
        if turn % 4 == 3:
            one.plug()  # the cable was pulled, and the device is as it was
        else:
            one.kill()
            one.start()
            if turn % 2:
                one.plug()
    one.run(lambda: one.bridge.through == RECORDS, "every record is with the bridge")
    before = len(one.backlogs)
    one.run(lambda: one.is_drained and len(one.backlogs) > before, "the device knows it")
    all_there(one)


def test_what_is_printed_and_typed_on_the_same_port_disturbs_nothing(cable):
    one = cable(200)
    one.write(b"\nversion\njournal\n")
    one.run(lambda: b"next 201 unreleased from 1" in one.said, "the console has answered")
    one.run(lambda: one.docked_times, "and then a zero calls the cable")
    one.write(b"version\r\x03noise\n")
    one.send(one.bridge.down(bytes([77]) + bytes(40)))  # what `on_body` answers by printing
    one.run(lambda: one.is_drained and b"body 41" in one.said, "all is handed over all the same")
    all_there(one, 200)
    one.may_take = False
    one.run(lambda: one.left_for, "the dock says goodbye")
    said = len(one.said)

    def typed() -> bool:
        one.write(b"\njournal\n")
        return b"next 201 unreleased from 201" in one.said[said:]

    one.run(typed, "the console has its port again")


def test_until_it_has_answered_nothing_is_said_that_a_repl_would_take_for_a_key(cable):
    one = cable(10)
    one.run(lambda: one.sent and not one.session.is_up, "it is called")
    assert set(one.sent) == {0}
    one.run(lambda: one.docked_times, "it is docked")
    one.run(lambda: one.is_drained, "all is handed over")
    assert not set(one.sent) & set(range(1, 32)), "and later, should it start anew, nothing either"


def test_a_heap_without_a_large_piece_sends_smaller_messages(tmp_path: Path, cable):
    one = cable(200, piece=512)
    one.run(lambda: one.is_drained, "all is handed over")
    all_there(one, 200)
    assert one.bridge.messages >= -(-200 // 32)
