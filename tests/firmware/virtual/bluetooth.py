"""`bluetooth` on one air: each `BLE()` is another radio. `air.loss` of 1000 advertisements are not heard."""

# pyright: basic, reportAttributeAccessIssue=false, reportOptionalCall=false, reportOptionalSubscript=false, reportArgumentType=false

import _hw

_IRQ_SCAN_RESULT = 5
_IRQ_SCAN_DONE = 6


class Air:
    def __init__(self):
        self.radios = []
        self.loss = 0
        self.rssi = -60
        self.said = 0  # advertisements
        self.tap = None  # gets (who, data) of each
        self._chance = 12345

    def seed(self, seed):
        self._chance = seed & 0x3FFFFFFF or 1

    def chance(self):
        state = self._chance
        state ^= (state << 13) & 0x3FFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0x3FFFFFFF
        self._chance = state
        return state % 1000

    def say(self, sender, data):
        self.said += 1
        if self.tap is not None:
            self.tap(sender, bytes(data))
        if sender.away:
            return
        for radio in self.radios:
            if radio is not sender and radio.hears and not radio.away and self.chance() >= self.loss:
                radio.handler(_IRQ_SCAN_RESULT, (0, b"\x02" * 6, 3, self.rssi, memoryview(data)))


air = Air()


class BLE:
    def __init__(self):
        self.scanning = False
        self.away = False  # out of reach of all others
        self.handler = None
        self._since = 0
        self._scan = (1, 1)  # interval and window, ms
        self._data = None
        self._interval = 0
        self._repeat = self._say
        self._end = self._done
        air.radios.append(self)

    def active(self, on):
        pass

    def irq(self, handler):
        self.handler = handler

    def gap_advertise(self, interval_us, adv_data=None, connectable=True):
        _hw.cancel_call(self._repeat)
        self._data = None
        if interval_us is not None:
            self._data = bytes(adv_data)
            self._interval = interval_us // 1000
            _hw.call_at(_hw.now + 3 + air.chance() % 7, self._repeat)

    def _say(self):
        air.say(self, self._data)
        _hw.call_at(_hw.now + self._interval + air.chance() % 10, self._repeat)

    def gap_scan(self, duration_ms, interval_us=0, window_us=0, active=False):
        _hw.cancel_call(self._end)
        self.scanning = duration_ms is not None
        self._since = _hw.now
        self._scan = (interval_us // 1000, window_us // 1000)
        if duration_ms:
            _hw.call_at(_hw.now + duration_ms, self._end)

    @property
    def share(self):
        """Of the time, in percent, that it listens for."""
        return 100 * self._scan[1] // self._scan[0] if self.scanning else 0

    @property
    def hears(self):
        return self.scanning and (_hw.now - self._since) % self._scan[0] < self._scan[1]

    def _done(self):
        self.scanning = False
        self.handler(_IRQ_SCAN_DONE, ())
