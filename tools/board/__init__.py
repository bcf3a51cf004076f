"""A board at the end of a USB cable, as the host's programs see it.

`ports` finds boards, by the serial number of their USB interface; `locks` has one program at a time use one; `link` talks to
MicroPython on it, on mpremote's transport; `errors` says in a line what was in the way.
"""

from tools.board.errors import BoardError, DeviceError, LinkError
from tools.board.link import Link
from tools.board.ports import Port, find_port, list_boards

__all__ = ("BoardError", "DeviceError", "Link", "LinkError", "Port", "find_port", "list_boards")
