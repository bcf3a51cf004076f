"""BLE, links, sockets and polling of a simulated device."""

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device, heard, lines_of, link, sock, uart

ONLINE = """
import asyncio, select, socket, time, network
lan = network.LAN(0); lan.active(True)
time.sleep_ms(10)
s = socket.socket(); s.setblocking(False)
def attempt(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return "error %d" % error.errno
def ready():
    return s.ioctl(3, 5)
"""
UP = link(5, ch.NIC_LAN, True)


def test_a_scan_hears_only_while_it_lasts_and_says_when_it_is_done(tmp_path):
    script = """
import bluetooth, time
seen = []
def irq(event, data):
    seen.append((_hw.now, event, (data[3], bytes(data[4])) if event == 5 else None))
ble = bluetooth.BLE(); ble.active(True); ble.irq(irq)
ble.gap_scan(100, 30000, 30000, False)
time.sleep_ms(200)
ble.gap_scan(0); time.sleep_ms(100); ble.gap_scan(None); time.sleep_ms(100)
ble.gap_scan(50); ble.gap_scan(70); time.sleep_ms(100)
for one in seen:
    print(one)
"""
    items = [heard(t, b"\x02\x01" + bytes([t % 251]), -t % 120 - 120) for t in (50, 100, 101, 250, 350, 460)]
    lines = lines_of(tmp_path, script, items=items)
    times = [int(line[1:].split(",")[0]) for line in lines]
    ends = [t for t, line in zip(times, lines, strict=True) if ", 6, " in line]
    assert ends == [100, 300, 470], "the end of one that was replaced is not told"
    assert [t for t, line in zip(times, lines, strict=True) if ", 5, " in line][:1] == [50]
    assert not {101, 350} & set(times) and {250, 460} <= set(times)


def test_rssi_and_data_come_as_they_were_on_the_air(tmp_path):
    script = """
import bluetooth, time
ble = bluetooth.BLE(); ble.active(True)
ble.irq(lambda event, data: event == 5 and print(data[0], bytes(data[1]).hex(), data[2], data[3], bytes(data[4])))
ble.gap_scan(0)
time.sleep_ms(50)
"""
    items = [heard(5, b"abc", -93), heard(6, b"", -128), heard(7, b"z" * 31, 20)]
    assert lines_of(tmp_path, script, items=items) == [
        "1 020200000001 3 -93 b'abc'", "1 020200000001 3 -128 b''", f"1 020200000001 3 20 {b'z' * 31!r}",
    ]  # fmt: skip


def test_advertising_is_told_with_its_interval_and_its_end(tmp_path):
    script = """
import bluetooth, time
ble = bluetooth.BLE()
for bad in (lambda: ble.gap_advertise(30000, b"x"), lambda: ble.gap_scan(0)):
    try:
        bad()
    except OSError as error:
        print(error.errno)
ble.active(True)
try:
    ble.gap_advertise(30000, bytes(32))
except OSError as error:
    print(error.errno)
ble.gap_advertise(30000, b"frame", connectable=False)
time.sleep_ms(100)
ble.gap_advertise(None)
time.sleep_ms(1000)
"""
    with Device(tmp_path, script) as device:
        device.live(500)
        assert device.lines == ["19", "19", "22"]
        told = [(item.t_ms, int.from_bytes(item.payload[:4], "little"), item.payload[4:]) for item in device.sayings(18)]
        assert told == [(0, 30000, b"frame"), (100, 0, b"")]


def test_a_socket_opens_sends_receives_and_is_closed_by_its_peer(tmp_path):
    script = (
        ONLINE
        + """
print(ready(), attempt(s.connect, socket.getaddrinfo("10.0.0.9", 1883)[0][-1]), ready(), attempt(s.send, b"early"))
time.sleep_ms(90)
print(ready(), s.send(b"hello"), s.send(bytes(5000)), s.read(9))
time.sleep_ms(100)
print(ready(), s.read(2), s.read(9), s.read(9), s.read(9))
time.sleep_ms(100)
print(ready(), s.read(9), attempt(s.send, b"late"))
s.close(); s.close()
time.sleep_ms(1000)
"""
    )
    with Device(tmp_path, script) as device:
        device.live(
            900,
            [UP, sock(50, 1, ch.SOCK_OPENED), sock(150, 1, ch.SOCK_DATA, b"one"), sock(160, 1, ch.SOCK_DATA, b"two"),
             sock(250, 1, ch.SOCK_CLOSED)],
        )  # fmt: skip
        assert device.lines == [
            "0 error 115 0 error 11", "4 5 1460 None", "5 b'on' b'e' b'two' None", "5 b'' error 107",
        ]  # fmt: skip
        said = [(item.t_ms, item.payload[:1], len(item.payload)) for item in device.sayings(ch.SOCK_OUT)]
        assert said == [(10, b"\x01", 14), (100, b"\x02", 6), (100, b"\x02", 1461), (300, b"\x03", 1)]
        assert device.sayings(ch.SOCK_OUT)[0].payload[1:] == b"10.0.0.9:1883"


def test_a_refused_connection_and_a_missing_route_are_errors(tmp_path):
    script = (
        ONLINE
        + """
print(attempt(s.connect, ("10.0.0.9", 1)))
time.sleep_ms(90)
print(ready() & 8, attempt(s.read, 1), attempt(s.send, b"x"))
s.close()
lan.active(False)
print(attempt(socket.getaddrinfo, "x", 1), attempt(socket.socket().connect, ("10.0.0.9", 1)), lan.isconnected())
"""
    )
    items = [UP, sock(50, 1, ch.SOCK_ERROR, bytes([111]))]
    assert lines_of(tmp_path, script, items=items) == ["error 115", "8 error 111 error 111", "error -2 error 113 False"]


def test_a_closed_sockets_number_is_used_again_and_what_was_for_the_old_one_is_not_read(tmp_path):
    script = (
        ONLINE
        + """
attempt(s.connect, ("10.0.0.9", 1))
s.close()
s = socket.socket(); s.setblocking(False)
print(s.fileno(), s.read(9))
many = []
try:
    while True:
        many.append(socket.socket())
except OSError as error:
    print(len(many) + 1)
"""
    )
    assert lines_of(tmp_path, script, items=[UP]) == ["1 None", "16"]


def test_a_stream_reader_wakes_at_the_byte_and_a_timeout_at_its_time(tmp_path):
    script = """
import asyncio, time
from machine import UART
async def main():
    r = asyncio.StreamReader(UART(1, 115200))
    print(await r.readline(), time.ticks_ms())
    b = bytearray(8)
    print(await r.readinto(b), bytes(b[:3]), time.ticks_ms())
    try:
        await asyncio.wait_for_ms(r.read(1), 500)
    except asyncio.TimeoutError:
        print("timeout", time.ticks_ms())
    print(await r.read(2), time.ticks_ms())
asyncio.run(main())
"""
    items = [uart(100, 1, b"OK"), uart(250, 1, b"\nxyz"), uart(900, 1, b"!")]
    assert lines_of(tmp_path, script, items=items) == ["b'OK\\n' 250", "3 b'xyz' 250", "timeout 750", "b'!' 900"]


def test_polling_asks_each_stream_before_time_moves(tmp_path):
    script = """
import select, time
from machine import UART
a, b = UART(1, 9600), UART(2, 9600)
p = select.poll()
p.register(a, select.POLLIN); p.register(b, select.POLLIN | select.POLLOUT)
print([(s is b, e) for s, e in p.ipoll(1000)], time.ticks_ms())
p.modify(b, select.POLLIN)
print([(s is b, e) for s, e in p.ipoll(1000)], time.ticks_ms())
a.read()
print(list(p.ipoll(50)), time.ticks_ms())
print(list(p.ipoll(0)), time.ticks_ms())
p.unregister(a)
print([(s is b, e) for s, e in p.poll(5000)], time.ticks_ms())
"""
    items = [uart(40, 1, b"x"), uart(500, 2, b"y"), uart(600, 2, b"y")]
    assert lines_of(tmp_path, script, items=items) == [
        "[(True, 4)] 0", "[(False, 1)] 40", "[] 90", "[] 90", "[(True, 1)] 500",
    ]  # fmt: skip


def test_a_datagram_goes_to_the_internet_and_its_answer_comes_back(tmp_path):
    script = (
        ONLINE
        + """
from firmware.core import sntp
async def main():
    d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); d.setblocking(False)
    print(await sntp.ask(d, ("pool.ntp.org", 123), b"hmu 1234", 5000), time.ticks_ms())
    print(await sntp.ask(d, ("pool.ntp.org", 123), b"hmu 1235", 5000), time.ticks_ms())
asyncio.run(main())
"""
    )
    answer = (
        b"\x24\x02\x06\xec" + bytes(20) + b"hmu 1234" + bytes(8) + (1_780_290_000 + 2_208_988_800).to_bytes(4, "big") + bytes(4)
    )
    with Device(tmp_path, script) as device:
        device.live(10**6, [UP, sock(300, 2, ch.SOCK_DATAGRAM, answer)])
        assert device.lines == ["(1780290000, 0) 300", "None 5300"]
        first = device.sayings(ch.SOCK_OUT)[0]
        assert first == Item(10, ch.SOCK_OUT, 2, b"\x05pool.ntp.org:123\0" + b"\x23" + bytes(39) + b"hmu 1234")
