"""What each part of a device takes from its cell, by named state, and what a cell holds. Pure: states and times in, mAh out.

Currents in mA at the cell, on top of each other: a radio's figure is what it takes beyond the processor that runs it. Each says
where it comes from; no figure has been measured on our own boards. "judged" is our own judgement, for want of a figure.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Drain(NamedTuple):
    milliamps: float
    source: str


class Battery(NamedTuple):
    """`usable`: the share of the rated capacity that is there in use: cold, age, and what is left at the cut-off."""

    rated_mah: float
    usable: float
    charge_ma: float
    resistance_ohm: float
    drains: Mapping[str, Drain]

    @property
    def usable_mah(self) -> float:
        return self.rated_mah * self.usable


WAKE_MS = 40  # a wake of the processor and the code of one round, which take no virtual time (judged: 6 M cycles at 160 MHz)
ADVERTISING_EVENT_MS = 3  # three channels and the radio's start and stop, each advertising interval (judged)
MODEM_TAIL_MS = 10_000  # a network keeps a connection this long after the last byte (usual LTE inactivity timer)
MODEM_BURST_MS = 120  # random access and signalling each time that a connection is made (judged)
MODEM_UPLINK_BPS = 500_000  # Cat 1 from a weak place (judged; 5 Mbit/s at best)
BROWN_OUT_MV, POWER_BACK_MV = 2_900, 3_200

_ESP32 = "ESP32 data sheet, current consumption by power mode"
_L76K = "judged, between the 24-42 mA of comparable receivers (SIM808 Hardware Design)"
_A7670 = "judged, after A7670 Hardware Design, supply current"

_PROCESSOR = {
    "cpu.off": Drain(0.0, "no supply"),
    "cpu.awake": Drain(30.0, f"{_ESP32}: modem sleep at 160 MHz, 27-44 mA"),
    "cpu.light": Drain(0.8, f"{_ESP32}: light sleep"),
    "cpu.deep": Drain(0.01, f"{_ESP32}: deep sleep with RTC timer and memory"),
    "ble.off": Drain(0.0, "radio off"),
    "ble.listening": Drain(68.0, f"{_ESP32}: receiving takes 95-100 mA with the processor"),
    "adv.off": Drain(0.0, "radio off"),
    "adv.event": Drain(100.0, f"{_ESP32}: sending at 0 dBm takes 130 mA with the processor"),
}

TAG = Battery(
    3000.0,  # one 18650 cell
    0.85,
    700.0,
    0.08,
    {
        **_PROCESSOR,
        "gnss.backup": Drain(0.01, "L76K Hardware Design, backup mode"),
        "gnss.acquiring": Drain(41.0, _L76K),
        "gnss.tracking": Drain(29.0, _L76K),
        "modem.off": Drain(0.02, _A7670),
        "modem.starting": Drain(150.0, f"{_A7670}: searching, mean"),
        "modem.sleep": Drain(2.5, f"{_A7670}: sleep, registered, paging each 1.28 s"),
        "modem.idle": Drain(18.0, f"{_A7670}: registered, its UART awake"),
        "modem.connected": Drain(80.0, f"{_A7670}: connected, mean of a discontinuous reception"),
        "modem.transmitting": Drain(450.0, f"{_A7670}: 23 dBm, on top of the connection"),
        "motor.off": Drain(0.0, "off"),
        "motor.on": Drain(75.0, "judged: 10 mm coin motor at 3 V"),
        "board.on": Drain(0.35, "judged: regulator, divider, pull-ups, LIS3DH"),
    },
)

UNIT = Battery(
    4400.0,  # the lithium pack that the board's connector takes
    0.85,
    500.0,
    0.08,
    {
        **_PROCESSOR,
        "lan.off": Drain(0.5, "LAN8720A data sheet: power down"),
        "lan.up": Drain(54.0, "LAN8720A data sheet: 100BASE-TX with traffic, magnetics included"),
        "wlan.off": Drain(0.0, "radio off"),
        "wlan.up": Drain(25.0, f"{_ESP32}: listening at DTIM in modem sleep, mean (judged)"),
        "modem.off": Drain(0.02, _A7670),
        "modem.starting": Drain(150.0, f"{_A7670}: searching, mean"),
        "modem.sleep": Drain(2.5, f"{_A7670}: sleep, registered"),
        "modem.idle": Drain(18.0, f"{_A7670}: registered, its UART awake"),
        "modem.connected": Drain(80.0, f"{_A7670}: connected"),
        "modem.transmitting": Drain(450.0, f"{_A7670}: 23 dBm"),
        "board.on": Drain(4.0, "judged: boost and step-down converters, divider, tilt switch"),
    },
)


def used_mah(drains: Mapping[str, Drain], ms_by_state: Mapping[str, int]) -> dict[str, float]:
    """Charge by state, of the time spent in each."""
    return {state: drains[state].milliamps * ms / 3_600_000 for state, ms in ms_by_state.items()}


def lasts_hours(battery: Battery, ms_by_state: Mapping[str, int], period_ms: int) -> float:
    """How long a full cell lasts when every period is like the one given."""
    mah = sum(used_mah(battery.drains, ms_by_state).values())
    return battery.usable_mah * period_ms / 3_600_000 / mah if mah else float("inf")
