"""What hangs on a board's pins: receiver, modem, cell, levels. Their inputs do not depend on how the engine slices time."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sim.engine.circuit.cell import Cell
from sim.engine.circuit.inputs import Level, Voltage
from sim.engine.circuit.modem import ModemChip
from sim.engine.circuit.receiver import ReceiverChip
from sim.engine.device import Device
from sim.silicon import _channels as ch
from sim.world import energy
from tests.sim.engine.still import answer, inbox, still_device

UART, PIN = 2, 32
HOUR_MS = 3_600_000
CUTS = st.lists(st.integers(0, HOUR_MS), max_size=10).map(sorted)


def standing(now_ms: int = 0) -> Device:
    device = still_device()
    answer(device, now_ms, now_ms)
    return device


def lived(device: Device, t_ms: int) -> None:
    """The device has come to a time, and has taken all inputs until then."""
    taken = sum(item.t_ms <= t_ms for item in inbox(device))
    while taken:
        device.run(t_ms)
        before = len(device._sent)
        answer(device, min(t_ms, device.horizon_ms), t_ms + 1, before)
        taken -= before
    device.run(t_ms)
    answer(device, t_ms, t_ms + 1)


class Sky:
    """Prints when it was asked, and how."""

    def __init__(self, fix_after_ms: int = 0) -> None:
        self.fix_after_ms = fix_after_ms
        self.asked: list[tuple[int, int, int | None]] = []

    def epoch(self, t_ms: int, on_since_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        self.asked.append((t_ms, on_since_ms, last_fix_age_ms))
        return b"$%d" % t_ms, t_ms - on_since_ms >= self.fix_after_ms


def test_a_receiver_prints_once_a_second_while_it_is_awake_and_not_before():
    device, sky = standing(), Sky()
    chip = ReceiverChip(device, UART, sky)
    assert chip.fill(5000) == 5000 and sky.asked == []
    lived(device, 1500)
    chip.power(1500, True)
    chip.fill(4600)
    assert [t for t, _, _ in sky.asked] == [2000, 3000, 4000]
    assert {on for _, on, _ in sky.asked} == {1500}
    # The second that it is about, a lag, and 5 characters at 9600 baud.
    assert [item.t_ms for item in inbox(device)] == [2105, 3105, 4105]
    assert [item.payload for item in inbox(device)] == [b"$2000", b"$3000", b"$4000"]


def test_a_receiver_that_is_put_to_sleep_says_no_more_and_remembers_its_last_fix():
    device, sky = standing(), Sky(fix_after_ms=2000)
    chip = ReceiverChip(device, UART, sky)
    chip.power(0, True)
    chip.fill(6000)
    lived(device, 3500)
    chip.power(3500, False)
    assert not chip.is_on and all(item.t_ms <= 3500 for item in inbox(device))
    lived(device, 60_000)
    chip.power(60_000, True)
    sky.asked.clear()
    chip.fill(61_000)
    assert sky.asked[0] == (61_000, 60_000, 61_000 - 3000)


def test_a_receiver_hands_out_only_so_much_at_a_time():
    device = standing()
    chip = ReceiverChip(device, UART, Sky())
    chip.power(0, True)
    filled_ms = chip.fill(HOUR_MS)
    assert 0 < filled_ms <= 10_000
    assert sum(8 + len(item.payload) for item in inbox(device)) < ch.RUN_MAX


def test_a_modem_answers_its_drivers_dialogue_once_it_has_booted_and_registered():
    device, covered = standing(), [True]
    modem = ModemChip(device, 1, lambda t_ms: covered[0], lambda t_ms: 12_000, Cell(energy.TAG, 1.0))

    def ask(t_ms: int, command: str) -> str | None:
        before = len(inbox(device))
        modem.written(t_ms, command.encode() + b"\r")
        new = inbox(device)[before:]
        assert all(item.channel == ch.UART_RX and item.sub == 1 and item.t_ms > t_ms for item in new)
        return new[0].payload.decode().strip() if new else None

    assert ask(10, "AT") is None, "off"
    modem.power_key(100, True)
    modem.power_key(120, False)
    assert not modem.is_on, "too short a press"
    modem.power_key(1000, True)
    modem.power_key(1100, False)
    assert modem.is_on
    assert ask(3000, "AT") is None, "still booting"
    assert ask(9200, "AT") == "OK"
    assert ask(9300, "ATE0") == "OK"
    assert ask(9400, "AT+CPIN?") == "+CPIN: READY\r\n\r\nOK"
    assert ask(9500, "AT+CEREG?") == "+CEREG: 0,2\r\n\r\nOK", "searching"
    assert ask(9600, "ATD*99#") == "NO CARRIER"
    assert ask(14_000, "AT+CEREG?") == "+CEREG: 0,1\r\n\r\nOK"
    assert ask(14_100, "AT+NONSENSE") == "ERROR"
    assert ask(14_200, "ATD*99#") == "CONNECT 115200"
    modem.connect(14_300, True)
    assert inbox(device)[-1].channel == ch.LINK and inbox(device)[-1].payload == b"\1"
    covered[0] = False
    assert ask(20_000, "AT+CEREG?") == "+CEREG: 0,2\r\n\r\nOK"
    modem.power_key(30_000, True)
    modem.power_key(33_000, False)
    assert not modem.is_on


def test_a_modem_sleeps_while_it_may_and_hears_nothing_until_a_little_after_it_is_woken():
    device, cell = standing(), Cell(energy.TAG, 1.0)
    modem = ModemChip(device, 1, lambda t_ms: True, lambda t_ms: 0, cell)
    modem.power_key(0, True)
    modem.power_key(100, False)
    modem.written(9000, b"AT+CEREG?\r")
    modem.dtr(10_000, True)
    cell.settle(10_500)
    assert cell.state("modem") == "idle", "it has not been told that it may"
    modem.dtr(11_000, False)
    modem.written(12_000, b"AT+CSCLK=1\r")
    modem.dtr(13_000, True)
    answers = len(inbox(device))
    modem.written(14_000, b"AT\r")
    modem.dtr(15_000, False)
    modem.written(15_030, b"AT\r")
    assert modem.unheard == 2 and len(inbox(device)) == answers
    modem.written(15_040, b"AT\r")
    assert modem.unheard == 2 and len(inbox(device)) == answers + 1
    modem.sent(16_000, 100)
    modem.dtr(17_000, True)
    cell.settle(25_900)
    assert cell.state("modem") == "connected", "the network keeps the connection, asleep or not"
    cell.settle(26_100)
    assert cell.state("modem") == "sleep" and modem.unheard == 2
    modem.sent(30_000, 100)
    assert modem.unheard == 3


def test_a_command_in_pieces_is_one_command():
    device = standing()
    modem = ModemChip(device, 1, lambda t_ms: True, lambda t_ms: 0, Cell(energy.TAG, 1.0))
    modem.power_key(0, True)
    modem.power_key(100, False)
    for piece in (b"A", b"T\rA", b"TE0", b"\r"):
        modem.written(9000, piece)
    assert [item.payload for item in inbox(device)] == [b"\r\nOK\r\n", b"\r\nOK\r\n"]


@given(st.lists(st.tuples(st.integers(1, HOUR_MS), st.integers(0, 1)), max_size=12), CUTS)
def test_a_level_is_told_once_a_change_however_time_is_sliced(changes: list[tuple[int, int]], cuts: list[int]):
    changes = sorted(dict(changes).items())

    def told(slices: list[int]) -> list[tuple[int, int]]:
        device = still_device()
        level = Level(device, PIN, 0, lambda from_ms, until_ms: [c for c in changes if from_ms <= c[0] < until_ms])
        for upto_ms in [*slices, HOUR_MS]:
            level.fill(upto_ms)
        return [(item.t_ms, item.payload[0]) for item in inbox(device)]

    expected, level = [(0, 0)], 0
    for t_ms, value in changes:
        if value != level:
            expected.append((t_ms, value))
            level = value
    assert told(cuts) == told([]) == expected


def test_after_a_reset_a_pin_reads_what_it_reads():
    device = still_device()
    level = Level(device, PIN, 0, lambda from_ms, until_ms: [(100, 1)] if from_ms <= 100 < until_ms else [])
    level.fill(200)
    lived(device, 500)
    device.reboot(1)
    level.again(device.now_ms)
    assert [(item.t_ms, item.payload) for item in inbox(device)] == [(device.now_ms, b"\1")]


@given(CUTS)
def test_a_voltage_is_told_a_period_late_and_never_of_a_time_that_is_not_lived(cuts: list[int]):
    every_ms = 300_000

    def told(slices: list[int]) -> list[tuple[int, int]]:
        device = standing()
        voltage = Voltage(device, PIN, every_ms, lambda t_ms: t_ms // 1000)
        out: list[tuple[int, int]] = [(i.t_ms, struct.unpack("<I", i.payload)[0]) for i in inbox(device)]
        for upto_ms in [*slices, HOUR_MS]:
            while (reached_ms := voltage.fill(upto_ms)) < upto_ms:
                assert reached_ms <= device.now_ms + 2 * every_ms
                out += [(i.t_ms, struct.unpack("<I", i.payload)[0]) for i in inbox(device) if (i.t_ms, 0) > (out[-1][0], 0)]
                lived(device, max(reached_ms, device.now_ms + 1))
            out += [(i.t_ms, struct.unpack("<I", i.payload)[0]) for i in inbox(device) if i.t_ms > out[-1][0]]
        return out[:]

    assert told(cuts) == told([])
    assert all(value == (t_ms - every_ms) // 1000 for t_ms, value in told([])[1:])
