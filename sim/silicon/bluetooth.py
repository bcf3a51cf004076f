"""MicroPython's `bluetooth.BLE`, its advertiser and observer roles. Who hears whom is decided by the engine's air."""

import struct

import _channels
import _hw

_IRQ_SCAN_RESULT = 5
_IRQ_SCAN_DONE = 6
_ADV_NONCONN_IND = 3
_STOP = 0xFFFFFFFF
_NOTHING = struct.pack("<I", 0)
_ENDED = struct.pack("<III", _STOP, 0, 0)
_said = bytearray(4 + 31)
_views = {}  # by the length of the advertisement, what of `_said` is told

FLAG_READ = 2
FLAG_WRITE = 8
FLAG_NOTIFY = 16


def _with(advertisement):
    n = len(advertisement)
    _said[4 : 4 + n] = advertisement
    if n not in _views:
        _views[n] = memoryview(_said)[: 4 + n]
    return _views[n]


def _tell_scan(duration_ms, interval_us, window_us):
    _hw.emit(_channels.BLE_SCAN, 0, struct.pack("<III", duration_ms, interval_us, window_us))


def _result(payload, rssi):
    # As in the real stack: the buffers belong to the stack and live only for the call.
    return 1, payload[:6], _ADV_NONCONN_IND, rssi - 256 if rssi > 127 else rssi, payload[7:]


class BLE:
    _one = None

    def __new__(cls):
        if BLE._one is None:
            BLE._one = ble = object.__new__(cls)
            ble._active = False
            ble._handler = None
            ble._scanning = False
            ble._end = ble._done  # one object: each `ble._done` is another
            _hw.listen(_channels.BLE_HEARD, ble._heard)
        return BLE._one

    def active(self, on=None):
        if on is None:
            return self._active
        self._active = bool(on)
        if not on:
            self.gap_advertise(None)
            self.gap_scan(None)
        return self._active

    def config(self, *args, **kwargs):
        if args and args[0] == "mac":
            return (0, _hw.unique_id)
        return None

    def irq(self, handler):
        self._handler = handler

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        if interval_us is None:
            _hw.emit(_channels.BLE_ADVERTISE, 0, _NOTHING, False)
            return
        if not self._active:
            raise OSError(19)
        if adv_data is not None and len(adv_data) > 31:
            raise OSError(22)
        struct.pack_into("<I", _said, 0, interval_us)
        _hw.emit(_channels.BLE_ADVERTISE, 0, _with(adv_data or b""))

    def gap_scan(self, duration_ms, interval_us=1280000, window_us=11250, active=False):
        if self._scanning:
            self._scanning = False
            _hw.cancel_call(self._end)
            if duration_ms is None:
                _hw.emit(_channels.BLE_SCAN, 0, _ENDED, False)
                self._done()
        if duration_ms is None:
            return
        if not self._active:
            raise OSError(19)
        self._scanning = True
        _tell_scan(duration_ms, interval_us, window_us)
        if duration_ms:
            _hw.call_at(_hw.now + duration_ms, self._end)

    def _done(self):
        self._scanning = False
        if self._handler:
            self._handler(_IRQ_SCAN_DONE, ())

    def _heard(self, sub, payload):
        if self._scanning and self._handler:
            self._handler(_IRQ_SCAN_RESULT, _result(payload, payload[6]))
