"""What the radio's interrupt puts into the ring, and what comes out of it."""

from tests.firmware.virtual import run_virtual

BEGIN = """
from firmware.boards.drivers.ble import Ble
from firmware.core.frame import SIZE, VERSION, to_advertisement
def a_frame(n):
    return bytearray([VERSION << 4 | 1]) + bytes([n] * (SIZE - 1))
def hear(ble, n, rssi=-60):
    ble._ble.handler(5, (0, b"", 3, rssi, memoryview(to_advertisement(a_frame(n)))))
def ring(ble):
    buf = bytearray(SIZE)
    found = []
    while True:
        rssi = ble.pop(buf)
        if rssi is None:
            return found
        assert buf == a_frame(buf[1])
        found.append((buf[1], rssi))
"""


def test_frames_come_out_as_they_came_in_and_the_newest_are_dropped_when_it_is_full():
    script = (
        BEGIN
        + """
ble = Ble(4)
for round in range(3):
    for n in range(6):
        hear(ble, 10 * round + n, -100 - n)
    print(ring(ble), ble.dropped)
hear(ble, 1, 20)
hear(ble, 1, -127)
hear(ble, 1, -128)
print(ring(ble))
"""
    )
    lines = run_virtual(script)
    for i in range(3):
        assert lines[i] == f"{[(10 * i + n, -100 - n) for n in range(4)]} {2 * i + 2}"
    assert lines[3] == "[(1, 20), (1, -127), (1, -128)]"


def test_who_wants_no_repeats_hears_a_frame_once_though_others_come_in_between_again():
    script = (
        BEGIN
        + """
ble = Ble(4, False)
for n in (1, 1, 1, 2, 2, 1):
    hear(ble, n)
print([n for n, _ in ring(ble)])
hear(ble, 1)
print(ring(ble))
for n in (3, 4, 5, 6, 7):
    hear(ble, n)
ring(ble)
hear(ble, 7)
print([n for n, _ in ring(ble)], ble.dropped)
"""
    )
    assert run_virtual(script) == ["[1, 2, 1]", "[]", "[7] 1"], "one that was dropped is heard when it is repeated"
