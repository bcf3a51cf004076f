"""A single lithium-ion cell behind a divider on an ADC pin: millivolts, and percent by its discharge curve."""

from machine import ADC, Pin

from ...core.port import const

_SAMPLES = const(4)


class Battery:
    """`divider` is how many times lower the pin is than the cell."""

    def __init__(self, pin, divider):
        self._adc = ADC(Pin(pin), atten=ADC.ATTN_11DB)
        self._divider = divider

    def millivolts(self):
        total = 0
        for _ in range(_SAMPLES):
            total += self._adc.read_uv()
        return total * self._divider // (1000 * _SAMPLES)
