"""What the home unit carries for its tags: sealed messages on their way up, and those that wait to go down.

It can neither read nor forge them, and it need not keep them: a tag keeps every record until the bridge's own receipt has
come, so what is lost here is sent again.
"""

from ..core import message
from ..core.link import MESSAGE_MAX
from ..core.port import const

_PLACES = const(6)


class Upward:
    """A source of the MQTT session: relayed messages, oldest first. Full: the oldest goes, its tag will send it again."""

    retain = False

    def __init__(self, topic, device):
        self.topic = topic
        self._device = device
        self._queue = []  # [token, rssi, bytes, is sent]
        self._next = 0
        self.dropped = 0

    def put(self, rssi, data):
        """Take a sealed message, copied."""
        if len(self._queue) >= _PLACES:
            self._queue.pop(0)
            self.dropped += 1
        self._next = self._next + 1 & 0x3FFFFFFF
        self._queue.append([self._next, rssi, bytes(data), False])

    def poll(self, now):
        for entry in self._queue:
            if not entry[3]:
                return entry[0]
        return -1

    def _find(self, token):
        for entry in self._queue:
            if entry[0] == token:
                return entry
        return None

    def render(self, token, view):
        entry = self._find(token)
        if entry is None:
            return 0
        data = entry[2]
        message.pack_header(view, message.RELAY_UP, 0, entry[1] & 0xFF, self._device, 0)
        view[message.HEADER : message.HEADER + len(data)] = data
        return message.HEADER + len(data)

    def sent(self, token, now):
        entry = self._find(token)
        if entry is not None:
            entry[3] = True

    def acked(self, token, now):
        entry = self._find(token)
        if entry is not None:
            self._queue.remove(entry)

    def restart(self, now):
        for entry in self._queue:
            entry[3] = False

    def due_ms(self, now):
        return -1


class Downward:
    """For each tag, the newest sealed messages that wait for it: a receipt says all that an older one said."""

    def __init__(self, tags):
        self._tags = tags
        self._waiting = {}
        self.dropped = 0

    def take(self, view, n):
        """A RELAY_DOWN message from the broker. Whether it was one for a tag of ours."""
        header = message.parse_header(view)
        if header is None or header[0] != message.RELAY_DOWN:
            return False
        inner = bytes(view[message.HEADER : n])
        parsed = message.parse_header(inner)
        if parsed is None or parsed[0] != message.DOWN or header[3] not in self._tags or len(inner) > MESSAGE_MAX:
            self.dropped += 1
            return True
        queue = self._waiting.setdefault(header[3], [])
        if len(queue) >= 4:
            queue.pop(0)
            self.dropped += 1
        queue.append(inner)
        return True

    def peek(self, tag):
        """The oldest message for a tag, or None."""
        queue = self._waiting.get(tag)
        return queue[0] if queue else None

    def done(self, tag):
        """That message is with its tag."""
        self._waiting[tag].pop(0)

    def pending(self):
        """A bit for each slot with something waiting."""
        bits = 0
        for slot in range(len(self._tags)):
            if self._waiting.get(self._tags[slot]):
                bits |= 1 << slot
        return bits
