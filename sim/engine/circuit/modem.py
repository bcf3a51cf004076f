"""An A7670 modem on a UART with a power key: answers the AT commands of our driver, registers, and carries PPP.

With AT+CSCLK=1 it sleeps while DTR is high and nothing is sent: registered, connected, and its UART deaf, still for `UART_MS`
after DTR is low. What is said to it then is counted in `unheard`; the engine carries it all the same, as TCP would in the end.
"""

from collections.abc import Callable

from sim.engine.circuit.cell import Cell
from sim.engine.device import Device
from sim.silicon import _channels as ch
from sim.world.energy import MODEM_BURST_MS, MODEM_TAIL_MS, MODEM_UPLINK_BPS

_BOOT_MS = 8_000  # power key to the first answer (A7670 Hardware Design V1.04, table 8)
_ANSWER_MS = 20
_PPP_MS = 1_500  # LCP, authentication and IPCP (our judgement)
_KEY_ON_MS = 50
_KEY_OFF_MS = 2_500
UART_MS = 40  # SIM802 Hardware Design, "Wake up from sleep mode"; the A7670's is unmeasured


class ModemChip:
    """`covered(t_ms)`: whether there is a network; `registration_ms(t_ms)`: how long it takes to be let in; `dead(t_ms)`:
    whether it answers nobody. `cell` is told what it draws."""

    def __init__(
        self,
        device: Device,
        uart: int,
        covered: Callable[[int], bool],
        registration_ms: Callable[[int], int],
        cell: Cell,
        dead: Callable[[int], bool] = lambda t_ms: False,
    ) -> None:
        self._device = device
        self._uart = uart
        self._covered = covered
        self._registration_ms = registration_ms
        self._cell = cell
        self._dead = dead
        self._may_sleep = False
        self._dtr = False
        self._deaf_until_ms = 0
        self.unheard = 0  # times that something was said to a UART that sleeps
        self._connected_until_ms = 0
        self._pressed_ms = -1
        self._on_since_ms = -1
        self._registered_ms = ch.NEVER
        self._data_mode = False
        self._line = b""

    @property
    def is_on(self) -> bool:
        return self._on_since_ms >= 0

    def power_key(self, t_ms: int, pressed: bool) -> None:
        if pressed:
            self._pressed_ms = t_ms
        elif self._pressed_ms >= 0:
            held_ms = t_ms - self._pressed_ms
            self._pressed_ms = -1
            if self.is_on and held_ms >= _KEY_OFF_MS:
                self.off(t_ms)
            elif not self.is_on and held_ms >= _KEY_ON_MS:
                self._on_since_ms = t_ms
                self._registered_ms = ch.NEVER
                self._line = b""
                self._may_sleep = False
                self._cell.set(t_ms, "modem", "starting")

    def off(self, t_ms: int) -> None:
        self._on_since_ms = -1
        self._data_mode = False
        self._connected_until_ms = 0
        self._cell.set(t_ms, "modem", "off")

    def dtr(self, t_ms: int, high: bool) -> None:
        """The pin that lets it sleep, or wakes it."""
        if self._dtr and not high and self._may_sleep:
            self._deaf_until_ms = t_ms + UART_MS
        self._dtr = high
        if not self.is_on:
            return
        self._cell.settle(t_ms)
        state = self._cell.state("modem")
        if state in ("idle", "sleep"):
            self._cell.set(t_ms, "modem", self._rest())
        elif state == "connected":
            self._cell.set(t_ms, "modem", state)
            self._cell.plan(self._connected_until_ms, "modem", self._rest())

    def sent(self, t_ms: int, n: int) -> None:
        """n bytes went out by its connection."""
        if not self.is_on:
            return
        self.unheard += self._is_deaf(t_ms)
        burst_ms = MODEM_BURST_MS if t_ms >= self._connected_until_ms else 0
        self._cell.add(t_ms, "modem.transmitting", burst_ms + 8000 * n // MODEM_UPLINK_BPS)
        self._connected(t_ms)

    def _connected(self, t_ms: int) -> None:
        self._connected_until_ms = t_ms + MODEM_TAIL_MS
        self._cell.set(t_ms, "modem", "connected")
        self._cell.plan(self._connected_until_ms, "modem", self._rest())

    def _is_deaf(self, t_ms: int) -> bool:
        return self._may_sleep and (self._dtr or t_ms < self._deaf_until_ms)

    def _rest(self) -> str:
        return "sleep" if self._may_sleep and self._dtr else "idle"

    def written(self, t_ms: int, data: bytes) -> None:
        """The device wrote to the modem's UART."""
        if not self.is_on or t_ms < self._on_since_ms + _BOOT_MS or self._dead(t_ms):
            return
        if self._is_deaf(t_ms):
            self.unheard += 1
            return
        self._line += data
        while b"\r" in self._line:
            line, _, self._line = self._line.partition(b"\r")
            self._answer(t_ms, line.strip().decode("ascii", "replace"))

    def connect(self, t_ms: int, on: bool) -> None:
        """The device's PPP interface starts or ends on this UART."""
        if on and self._data_mode and self._covered(t_ms):
            self._device.push(t_ms + _PPP_MS, ch.LINK, ch.NIC_PPP, b"\x01")
            self._connected(t_ms)
        elif not on:
            self._data_mode = False

    def _answer(self, t_ms: int, command: str) -> None:
        if command == "AT+CPIN?":
            text = "\r\n+CPIN: READY\r\n\r\nOK\r\n"
        elif command == "AT+CEREG?":
            text = f"\r\n+CEREG: 0,{1 if self._is_registered(t_ms) else 2}\r\n\r\nOK\r\n"
        elif command.startswith("ATD"):
            self._data_mode = self._is_registered(t_ms)
            text = "\r\nCONNECT 115200\r\n" if self._data_mode else "\r\nNO CARRIER\r\n"
        elif command == "AT+CSQ":
            text = f"\r\n+CSQ: {18 if self._covered(t_ms) else 99},99\r\n\r\nOK\r\n"
        elif command.startswith("AT+CSCLK="):
            self._may_sleep = command.endswith("=1")
            text = "\r\nOK\r\n"
        elif command in ("AT", "ATE0") or command.startswith("AT+CGDCONT="):
            text = "\r\nOK\r\n"
        else:
            text = "\r\nERROR\r\n"
        self._device.push(t_ms + _ANSWER_MS, ch.UART_RX, self._uart, text.encode())

    def _is_registered(self, t_ms: int) -> bool:
        if not self._covered(t_ms):
            self._registered_ms = ch.NEVER
            return False
        if self._registered_ms == ch.NEVER:
            self._registered_ms = max(t_ms, self._on_since_ms + self._registration_ms(self._on_since_ms))
            self._cell.plan(self._registered_ms, "modem", self._rest())
        return t_ms >= self._registered_ms
