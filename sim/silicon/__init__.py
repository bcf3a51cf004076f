"""The hardware modules that simulated devices run on; MicroPython, except for `_channels`, which the engine reads too."""
