"""An emulated microcontroller: MicroPython for a Cortex-M3 (32-bit floats, 31-bit small ints) in QEMU's mps2-an385.

image/      what makes MicroPython's sources an image for that machine: boot, serial port, clock, littlefs on a flash chip
build       the image, from pinned source distributions and Debian's cross compiler; once, then kept
board       a machine that runs it: its port, its power switch, its cable with faults
device/     scripts that run on it, on the unix port and on CPython alike
core        the firmware's pure core driven for a virtual hour, and what came of it
heap        bytes of the heap that modules take, on 32 bits and on 64
counts      instructions and heap bytes a function

docs/emulated.md says what it is for and what it leaves out.
"""
