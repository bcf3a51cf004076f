"""What runs inside the interpreter of a board on a pseudo-terminal, with the modules of `sim/silicon`. MicroPython only."""
