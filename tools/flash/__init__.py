"""`homeward flash`: the firmware onto boards on USB.

`plan` decides, as plain functions, what has to be done to a board; `session` does it, again and again if the line fails;
`wanted` is what the board is to hold; `bench` flashes several at a time; `micropython` writes MicroPython itself by esptool, with
the flash laid out by `partitions`; `command` is the command line.
"""
