"""What can be in the way between a program and a board, each in one line that says what to do."""

from bridge.errors import ConfigError


class BoardError(ConfigError):
    """A person can mend it: a wrong port, a port in use, the wrong board, a full file system."""

    def __init__(self, port: object, text: str) -> None:
        Exception.__init__(self, f"{port}: {text}")
        self.file, self.field, self.value, self.expected = str(port), "board", text, ""


class LinkError(BoardError):
    """The line: it vanished, fell silent, or garbled what was said. Trying again may help."""


class VanishedError(LinkError):
    """The port is gone."""


class SilentError(LinkError):
    """Nothing answers as MicroPython does."""


class DeviceError(BoardError):
    """The board itself raised an exception; `kind` is its type and `number` an OSError's number, or 0."""

    def __init__(self, port: object, text: str) -> None:
        last = text.strip().splitlines()[-1] if text.strip() else "an exception without words"
        super().__init__(port, f"the board said: {last}")
        self.kind = last.partition(":")[0]
        digits = "".join(c if c.isdigit() or c == "-" else " " for c in last.partition(":")[2]).split()
        self.number = int(digits[0]) if self.kind == "OSError" and digits and digits[0].lstrip("-").isdigit() else 0
        self.traceback = text
