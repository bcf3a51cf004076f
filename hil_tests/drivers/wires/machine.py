# MicroPython's `machine.Pin` where there are no pins (the unix port): each is a file NAME in the folder WIRES of the environment.
# An output writes "0" or "1" into it, an input reads what another wrote there; "z" is a pin that drives nothing.

import os

_FOLDER = os.getenv("WIRES") or "."


def unique_id():
    return b"wires"


class Pin:
    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, name, mode=-1, pull=-1):
        if isinstance(name, int) and not 0 <= name <= 48:
            raise ValueError("no such pin")
        if isinstance(name, str) and not name.startswith("GP"):
            raise ValueError("no such pin")
        self._path = f"{_FOLDER}/{name}"
        self._mode = self._pull = 0
        self.init(mode, pull)

    def init(self, mode=-1, pull=-1):
        if mode == self.OUT and self._mode != self.OUT:
            self._put("0")
        if mode == self.IN and self._mode == self.OUT:
            self._put("z")
        if mode >= 0:
            self._mode = mode
        self._pull = pull

    def value(self, level=None):
        if level is not None:
            self._put("1" if level else "0")
            return None
        try:
            with open(self._path) as wire:
                told = wire.read()
        except OSError:
            told = "z"
        return int(told) if told in ("0", "1") else int(self._pull == self.PULL_UP)

    def _put(self, text):
        with open(self._path, "w") as wire:
            wire.write(text)
