"""The home unit's ways to the broker, behind one: the first that comes up, in the order in which it was provisioned.

In the key slot: `links`, names of links in the order of preference (default ["ethernet"]), and `wifi`, [ssid, passphrase].
A link is what a board makes of such a name: `await up()` (True when it is there), `await down()`, `is_up()`.
"""

import json

from ..core.port import const, ticks_diff, ticks_ms
from ..core.provision import ProvisionError

NAMES = ("ethernet", "wifi", "cellular")
_AGAIN_MS = const(3600_000)  # on a link that is not the first: try the first again


class Links:
    """A link itself. One caller at a time."""

    def __init__(self, links):
        self._links = links
        self._at = -1  # the one that is up
        self._first = 0  # to be tried
        self._since = 0
        self._is_useless = False

    async def up(self):
        """The first link that comes up, each tried once. False when there is none."""
        if self.is_up():
            return True
        await self.down()
        n = len(self._links)
        for i in range(n):
            at = (self._first + i) % n
            if await self._links[at].up():
                self._at = at
                self._since = ticks_ms()
                self._first = 0
                return True
            await self._links[at].down()
        self._first = 0
        return False

    async def down(self):
        at = self._at
        self._at = -1
        self._is_useless = False
        if at >= 0:
            await self._links[at].down()

    def is_up(self):
        """False also when it is time for a better one."""
        if self._at < 0 or not self._links[self._at].is_up():
            return False
        return not self._is_useless and (self._at == 0 or ticks_diff(ticks_ms(), self._since) < _AGAIN_MS)

    def give_up(self):
        """It is up, and leads nowhere: the next time begins with the one after it."""
        if self._at >= 0 and len(self._links) > 1:
            self._first = (self._at + 1) % len(self._links)
            self._is_useless = True


def links_of(board):
    """The links that this device was provisioned with. ProvisionError when it cannot have them."""
    fields = json.loads(bytes(board.store.blob("provision", 1024)))
    names = fields.get("links", ["ethernet"])
    if not isinstance(names, list) or not names or [name for name in names if name not in NAMES]:
        raise ProvisionError("links: expected some of %s" % ", ".join(NAMES))
    found = []
    for name in names:
        values = fields.get(name, [])
        link = board.link(name, values) if isinstance(values, list) else None
        if link is None:
            raise ProvisionError("%s: not on this board, or what it needs is missing" % name)
        found.append(link)
    return Links(found)
