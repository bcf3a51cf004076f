"""What CircuitPython's asyncio counts time by."""

import time

ticks_add = time.ticks_add
ticks_diff = time.ticks_diff
ticks_ms = time.ticks_ms
