"""The uplink: a record is freed by the bridge's own receipt and by nothing else; what is not freed goes again."""

import struct

import pytest

from firmware.core import record
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.message import pack_receipt
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink, token_of
from tests.firmware.core.mqtt.model import DEVICE, KEY, KEY_ID, UP_TOPIC, open_records, seal_down

TIMEOUT = 30_000
REPORT = 60_000


class Bench:
    """An uplink on a real journal and a real seal; `now` is moved by the test."""

    def __init__(self, records: int = 0, blocks: int = 4, **options: int) -> None:
        self.journal = Journal(RamDevice(blocks))
        assert self.journal.mount()
        self.bodies: list[bytes] = []
        self.uplink = Uplink(self.journal, Ccm(KEY), DEVICE, KEY_ID, UP_TOPIC, on_body=self._take_body, **options)
        self.view = memoryview(bytearray(12 + 64 * 32 + 8))
        self.now = 0
        self.counter = 0
        self.append(records)
        self.uplink.restart(self.now)

    def _take_body(self, view: memoryview, n: int) -> None:
        self.bodies.append(bytes(view[:n]))

    def append(self, n: int = 1) -> None:
        buf = bytearray(32)
        for _ in range(n):
            seq = self.journal.next_seq
            record.pack_fix(buf, seq, 1_780_000_000 + seq, 1, 0, 507_000_000, -24_000_000, 0, 30, 0, 9, 10, 90)
            assert self.journal.append(buf)

    def send(self, limit: int = 100) -> list[tuple[int, bytes]]:
        """All that the uplink wants to send now: (token, message)."""
        out = []
        while len(out) < limit and (token := self.uplink.poll(self.now)) >= 0:
            assert self.uplink.poll(self.now) == token, "the same one until it is sent"
            n = self.uplink.render(token, self.view)
            if n:
                self.uplink.sent(token, self.now)
                out.append((token, bytes(self.view[:n])))
        return out

    def ack(self, *tokens: int) -> None:
        for token in tokens:
            self.uplink.acked(token, self.now)

    def down(self, raw: bytes) -> bool:
        return self.uplink.on_down(memoryview(bytearray(raw)), len(raw), self.now)

    def receipt(self, through: int, first: int = 1) -> bool:
        self.counter += 1
        return self.down(seal_down(self.counter, pack_receipt(through, first)))


def seqs(raw: bytes) -> list[int]:
    records = open_records(raw)
    assert records is not None, "the message opens under the device's key"
    assert all(record.is_intact(r) for r in records)
    return [record.seq_of(r) for r in records]


def test_records_go_in_order_in_messages_of_a_batch_and_no_more_than_a_window() -> None:
    bench = Bench(records=20, batch=4, window=3)
    sent = bench.send()
    assert [seqs(raw) for _, raw in sent] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert [struct.unpack_from("<BBBBII", raw) for _, raw in sent][1] == (0x11, KEY_ID, 4, 0, DEVICE, 5)
    assert bench.uplink.in_flight == 3
    assert bench.receipt(4)
    assert [seqs(raw) for _, raw in bench.send()] == [[13, 14, 15, 16]]


def test_acknowledgements_free_nothing_and_the_receipt_does() -> None:
    bench = Bench(records=3)
    bench.ack(*[token for token, _ in bench.send()])
    assert bench.journal.released == 0 and not bench.uplink.drained
    assert bench.receipt(3)
    assert bench.journal.released == 3 and bench.uplink.drained and bench.uplink.in_flight == 0
    assert bench.uplink.receipts == 1


def test_a_receipt_that_comes_before_the_acknowledgement_is_good() -> None:
    bench = Bench(records=3)
    ((token, _),) = bench.send()
    assert bench.receipt(3)
    bench.ack(token)
    bench.append()
    bench.uplink.urgent = True
    assert [seqs(raw) for _, raw in bench.send()] == [[4]]


def test_one_receipt_may_free_several_messages() -> None:
    bench = Bench(records=12, batch=4, window=3)
    bench.send()
    assert bench.receipt(12)
    assert bench.uplink.in_flight == 0 and bench.uplink.drained


def test_an_overdue_receipt_brings_the_same_bytes_again_and_each_time_later() -> None:
    bench = Bench(records=3)
    ((token, first),) = bench.send()
    bench.ack(token)
    assert bench.uplink.due_ms(bench.now) == TIMEOUT
    waits = []
    for _ in range(7):
        wait = bench.uplink.due_ms(bench.now)
        waits.append(wait // TIMEOUT)
        bench.now += wait - 1
        assert bench.send() == []
        bench.now += 1
        assert bench.send() == [(token, first)]
        bench.ack(token)
    assert waits == [1, 2, 4, 8, 16, 16, 16]
    assert bench.uplink.repeats == 7


def test_a_dead_bridge_gets_each_message_again_once_a_timeout_and_not_more() -> None:
    bench = Bench(records=16, batch=4, window=4)
    bench.ack(*[token for token, _ in bench.send()])
    bench.now += TIMEOUT
    again = bench.send()
    assert len(again) == 1, "one overdue receipt is one fault: the others wait for the answer to it"
    bench.ack(again[0][0])
    total = 0
    while bench.now < 10 * 3_600_000:
        bench.now += max(bench.uplink.due_ms(bench.now), 1000)
        sent = bench.send()
        total += len(sent)
        bench.ack(*[token for token, _ in sent])
    assert total <= 4 * 10 * 3_600_000 // (16 * TIMEOUT) + 20
    assert bench.receipt(16) and bench.uplink.drained


def test_without_an_acknowledgement_nothing_is_repeated_on_a_standing_link() -> None:
    bench = Bench(records=3)
    bench.send()
    bench.now += 10 * TIMEOUT
    assert bench.send() == []


def test_after_a_reconnection_all_that_is_unreceipted_goes_again_in_order_whoever_acknowledged_it() -> None:
    bench = Bench(records=12, batch=4, window=3)
    first = bench.send()
    bench.ack(first[1][0])
    assert bench.receipt(4)
    bench.now += 5
    bench.append(2)
    bench.uplink.restart(bench.now)
    again = bench.send()
    assert again[:2] == first[1:]
    assert seqs(again[2][1]) == [13, 14]


def test_a_growing_journal_does_not_move_the_boundaries_of_a_message() -> None:
    bench = Bench(records=3, batch=8)
    ((token, raw),) = bench.send()
    bench.append(3)
    bench.uplink.restart(bench.now)
    assert bench.send()[0] == (token, raw)
    assert seqs(raw) == [1, 2, 3]


def test_a_quiet_record_waits_for_the_report_and_an_urgent_one_takes_all_along_at_once() -> None:
    bench = Bench(records=2, report_interval_ms=REPORT)
    assert len(bench.send()) == 1 and bench.receipt(2)
    bench.append()
    assert bench.send() == [] and bench.uplink.due_ms(bench.now) == REPORT
    bench.now += REPORT - 1
    assert bench.send() == []
    bench.now += 1
    assert [seqs(raw) for _, raw in bench.send()] == [[3]] and bench.receipt(3)
    bench.append(2)
    assert bench.send() == []
    bench.append()
    bench.uplink.urgent = True
    assert bench.uplink.due_ms(bench.now) == 0
    assert [seqs(raw) for _, raw in bench.send()] == [[4, 5, 6]]
    assert not bench.uplink.urgent


def test_a_report_sends_the_whole_backlog_of_its_moment_message_by_message() -> None:
    bench = Bench(records=0, batch=4, window=1, report_interval_ms=REPORT)
    bench.append(10)
    bench.now += REPORT
    got = []
    while sent := bench.send():
        got += seqs(sent[0][1])
        bench.receipt(got[-1])
        bench.append()
        assert len(got) < 50
    # Records made meanwhile fill up the last message; the others wait for the next report.
    assert got == list(range(1, 13)) and bench.journal.next_seq == 14


def test_the_clock_may_wrap() -> None:
    bench = Bench(records=3)
    bench.now = (1 << 30) - 10
    bench.uplink.restart(bench.now)
    ((token, raw),) = bench.send()
    bench.ack(token)
    bench.now = TIMEOUT - 11
    assert bench.send() == []
    bench.now += 1
    assert bench.send() == [(token, raw)]


def tampered() -> list:
    good = seal_down(7, pack_receipt(3, 1))
    cases = [pytest.param(good[:n], id=f"cut to {n}") for n in range(len(good))]
    cases += [
        pytest.param(good[:i] + bytes([good[i] ^ 1 << bit]) + good[i + 1 :], id=f"bit {bit} of byte {i}")
        for i in range(len(good))
        for bit in (0, 4, 7)
    ]
    return [
        *cases,
        pytest.param(good + b"\0", id="longer"),
        pytest.param(seal_down(7, pack_receipt(3, 1), key=bytes(16)), id="another key"),
        pytest.param(seal_down(7, pack_receipt(3, 1), device=DEVICE + 1), id="for another device"),
        pytest.param(seal_down(7, pack_receipt(3, 1), key_id=KEY_ID + 1), id="another key id"),
        pytest.param(seal_down(0, pack_receipt(3, 1)), id="counter 0"),
        pytest.param(bytes(29), id="zeros"),
    ]


@pytest.mark.parametrize("raw", tampered())
def test_a_forged_or_cut_receipt_is_refused_and_counted_and_frees_nothing(raw: bytes) -> None:
    bench = Bench(records=3)
    bench.send()
    assert bench.down(raw) is False
    assert bench.journal.released == 0 and bench.uplink.last_down == 0
    assert bench.uplink.refused + bench.uplink.replayed == 1
    assert bench.down(seal_down(7, pack_receipt(3, 1))), "the true one is still heard"


def test_a_message_of_ours_sent_back_as_a_receipt_is_refused() -> None:
    bench = Bench(records=3)
    ((_, raw),) = bench.send()
    assert bench.down(raw) is False and bench.uplink.refused == 1


def test_a_replayed_or_older_receipt_is_refused() -> None:
    bench = Bench(records=9, batch=3)
    bench.send()
    old, new = seal_down(5, pack_receipt(3, 1)), seal_down(9, pack_receipt(6, 4))
    assert bench.down(new) and bench.journal.released == 6
    assert not bench.down(new) and not bench.down(old)
    assert (bench.uplink.replayed, bench.uplink.last_down, bench.journal.released) == (2, 9, 6)


def test_the_last_counter_may_be_carried_over_a_reset() -> None:
    bench = Bench(records=3, last_down=9)
    bench.send()
    assert not bench.down(seal_down(9, pack_receipt(3, 1)))
    assert bench.down(seal_down(10, pack_receipt(3, 1)))


def test_a_receipt_for_records_that_were_never_made_frees_nothing_and_is_told() -> None:
    bench = Bench(records=3)
    bench.send()
    assert bench.receipt(4)
    assert (bench.journal.released, bench.uplink.ahead, bench.uplink.refused) == (0, 4, 1)


def test_a_receipt_that_shows_a_gap_gets_the_missing_message_again_and_then_frees_all() -> None:
    bench = Bench(records=8, batch=4)
    (lost, raw), (stored, _) = bench.send()
    bench.ack(lost, stored)
    bench.now += TIMEOUT - 1
    assert bench.receipt(0, first=5)
    bench.now += 1
    assert bench.send() == [(lost, raw)]
    assert bench.receipt(8, first=1) and bench.uplink.drained


def test_a_record_that_the_bridge_will_never_have_does_not_silence_the_device() -> None:
    bench = Bench(records=40, batch=4, window=2)
    bench.send()
    # The first message is refused there for ever; every other one is stored and answered with the prefix as it is.
    heard = [1, 2, 3, 4]
    for first in range(5, 41, 4):
        assert bench.receipt(0, first=first)
        heard += [seq for _, raw in bench.send() for seq in seqs(raw)]
        assert bench.uplink.in_flight <= 2
    assert sorted({*heard, 5, 6, 7, 8}) == list(range(1, 41)), "all that came after it went out"
    assert bench.journal.released == 0 and not bench.uplink.drained
    bench.append()
    bench.uplink.restart(bench.now)
    again = []
    while sent := bench.send():
        for token, raw in sent:
            again += seqs(raw)
            bench.receipt(0, first=token) if token > 1 else None
    assert again == list(range(1, 42)), "nothing was freed, so all of it goes again"
    assert bench.receipt(41) and bench.uplink.drained


def test_a_record_that_cannot_be_read_is_passed_over_and_those_behind_it_go() -> None:
    bench = Bench(records=12, batch=4)
    bench.journal._device.data[4 * 32 + 5 * 32] ^= 0xFF  # somewhere among the first sector's records
    bench.uplink.restart(bench.now)
    got = [seq for _, raw in bench.send() for seq in seqs(raw)]
    assert len(got) == 11 and got == sorted(got) and {1, 12} <= set(got)


def test_a_journal_that_cannot_be_read_at_all_ends_the_sending_and_not_the_device() -> None:
    bench = Bench(records=12, batch=4)
    bench.journal._device.data[:] = bytes(len(bench.journal._device.data))
    assert bench.send() == [] and bench.uplink.in_flight == 0 and bench.journal.released == 0


def test_records_that_a_full_journal_had_to_drop_are_passed_over() -> None:
    bench = Bench(records=100, blocks=2, batch=4, window=2)
    first = bench.send()
    bench.append(300)
    assert bench.journal.lost > 0
    bench.uplink.restart(bench.now)
    oldest = bench.journal.first_unreleased
    assert oldest > 8 and len(first) == 2
    again = bench.send()
    assert seqs(again[0][1])[0] == oldest
    assert bench.receipt(399) and [seqs(raw) for _, raw in bench.send()] == [[400]]


def test_other_bodies_go_to_the_application() -> None:
    bench = Bench()
    assert bench.down(seal_down(1, b"\x02lease"))
    assert bench.bodies == [b"\x02lease"] and bench.uplink.last_down == 1


class TestAnotherCarrier:
    """A radio relay: few records a message, one message at a time, no buffer of its own."""

    @staticmethod
    def take(bench: Bench) -> tuple[int, bytes]:
        made = bench.uplink.next_message(3, bench.now)
        assert made is not None
        return token_of(made[0]), bytes(made[0][: made[1]])

    def test_takes_small_messages_and_frees_by_the_same_receipts(self) -> None:
        bench = Bench(records=7, window=1)
        got = []
        while not bench.uplink.drained:
            token, raw = self.take(bench)
            assert bench.uplink.next_message(3, bench.now) is None, "one at a time in a window of one"
            got.append(seqs(raw))
            bench.uplink.acked(token, bench.now)
            bench.receipt(got[-1][-1], token)
        assert got == [[1, 2, 3], [4, 5, 6], [7]]

    def test_one_that_failed_is_given_again_bit_for_bit(self) -> None:
        bench = Bench(records=7)
        token, first = self.take(bench)
        bench.uplink.failed(token, bench.now)
        assert self.take(bench) == (token, first)

    def test_a_change_of_carrier_cuts_what_is_unreceipted_anew_under_other_nonces(self) -> None:
        bench = Bench(records=7, batch=32)
        ((_, large),) = bench.send()
        _, small = self.take(bench)
        assert (seqs(large), seqs(small)) == ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3])
        assert large[:12] != small[:12]
        bench.uplink.recut(32, bench.now)
        ((_, again),) = bench.send()
        assert again == large
