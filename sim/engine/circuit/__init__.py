"""What hangs on a board's pins and ports: the chips of the two boards, and the boards' wiring. One file a chip, one a board.

A circuit turns what the device does (levels, bytes, network interfaces) into states, and the world into the device's inputs.
It is told of outputs in the order of virtual time, and asked to `fill` inputs up to a time; both are plain functions of
that order, so a run does not depend on the host.
"""
