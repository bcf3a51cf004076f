"""What flows over a device's pipe, for both ends: silicon (MicroPython) and engine (CPython).

A message to the device is a RUN, one from it a YIELD. Each is a u32 length and then a body, little-endian:

    RUN     u64 base_ms, u64 horizon_ms, u64 clear_ms, u16 n, then n items
    YIELD   u64 base_ms, u64 wake_ms, u16 n_consumed, u16 n, then n items, where now = base_ms + the dt of a last NOW item
    item    u32 dt_ms after base, u8 channel, u8 sub, u16 length, payload

Times are virtual milliseconds since the scenario's start. A device may act on everything up to and including the horizon; it
stops earlier when it has said something that the world could answer; what it says by radio before `clear_ms` nobody can hear
or answer. `n_consumed` counts the items of the RUN that it has
taken; the engine keeps the others. `wake_ms` is when the device acts next if nothing comes.
"""

# To the device.
UART_RX = 1  # sub: UART number
PIN_IN = 2  # sub: pin; payload: u8 level
ADC_IN = 3  # sub: pin; payload: u32 microvolts
BLE_HEARD = 4  # payload: 6 bytes address, i8 rssi, advertisement
SOCK_IN = 5  # sub: socket; payload: u8 SOCK_*, data
LINK = 6  # sub: NIC_*; payload: u8 1 up, 0 down; NIC_NETWORK, u8 RSSI + 256, u8 security, SSID: there is such a network
POWER = 7  # payload: u8 0 the supply fails; 1, to a device that is off, it is back
CRASH = 8  # payload: words; an exception with them is raised in whatever waits. sub CRASH_HUNG: it stops, and says nothing
CRASH_HUNG = 1
PIN_QUIET = 9  # sub: pin; nothing that hangs on it ever answers to it, so what it does need not stop time

# From the device.
UART_TX = 16  # sub: UART number
PIN_OUT = 17  # sub: pin; payload: u8 level
BLE_ADVERTISE = 18  # payload: u32 interval_us (0: stop), advertisement
BLE_SCAN = 19  # payload: u32 duration_ms (0xFFFFFFFF: stop, 0: for ever), u32 interval_us, u32 window_us
SOCK_OUT = 20  # sub: socket; payload: u8 SOCK_*, data
NIC = 21  # sub: NIC_*; payload: u8 1 connect (a WLAN's is followed by SSID, 0, passphrase), 0 disconnect
RESET = 22  # payload: u8 cause, or POWER_LOST; the process ends after it
SLEEP = 23  # sub: 0 awake, 1 light, 2 deep
UART_OPEN = 24  # sub: UART number; payload: u32 baud
CRASHED = 25  # payload: the last words of an application that ended by an exception; RESET follows
NOW = 31  # no payload: where the device's clock stands at the end of a YIELD

SOCK_OPENED = 1  # in: connected. out: connect to "host:port"
SOCK_DATA = 2
SOCK_CLOSED = 3  # in: the peer closed. out: closed by the device
SOCK_ERROR = 4  # in: u8 errno
SOCK_DATAGRAM = 5  # "host:port\0" and the datagram
SOCK_SENT = 6  # out: what was said under TLS, in clear, beside its bytes
SOCK_SEALED = 7  # in, outside of time: bytes of TLS to be opened at once
SOCK_HEARD = 8  # out: what was in them; at last an empty one

NIC_PPP = 0
NIC_LAN = 1
NIC_WLAN = 2
NIC_NETWORK = 2

POWER_LOST = 255  # in RESET: it stays off until POWER comes

NEVER = 1 << 60  # an integer that needs no heap on either end

RUN_MAX = 4096  # bytes of a RUN's body: the device's buffer
