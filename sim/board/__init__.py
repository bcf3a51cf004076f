"""A MicroPython board on a pseudo-terminal: what a program on the host finds at the end of a USB cable, without the hardware.

`board.Board` supervises the interpreter of the unix port so that it behaves as a board does: soft and hard resets, a watchdog,
littlefs at `/` on NOR flash in a file, NVS, the simulator's hardware modules, and power that may fail at any write. `line.py` is
the cable, with its faults. `device/` runs inside the interpreter. `python -m sim.board` is a board by itself.

Time is real here. May import `sim.silicon._channels` and the host's own; nothing of `tools`.
"""
