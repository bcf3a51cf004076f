"""What the home unit carries for its tags: sealed messages on their way up, and those that wait to go down.

It can neither read nor forge them. On the way up they stand in flash (`store`) until the bridge has answered them, whatever
happens to the network or the mains; on the way down they need not last, for the bridge sends them again.
"""

from ..core import message
from ..core.blockdev import RamDevice
from ..core.link import MESSAGE_MAX
from ..core.port import const, ticks_add, ticks_diff
from .store import RelayStore

_WINDOW = const(16)  # messages on their way without an answer
_ANSWER_MS = const(60_000)  # then what is unanswered is sent again: twice what a tag gives the bridge for its receipt
_BACKOFF_MAX = const(3)  # doublings: 8 minutes, as long as a tag waits
_TRIES = const(3)  # of a message that the bridge leaves unanswered while it answers others
_PLACES = const(4)  # for each tag, on the way down


class Upward:
    """A source of the MQTT session: relayed messages, oldest first.

    A message is freed when the bridge answers it (`answered`) or one sent after it, for the bridge takes them in order; a
    PUBACK frees nothing. One that a living bridge does not answer in some tries is nobody's (a tag that it does not know): it
    is given up, and counted in `unanswered`. All of this is a hint of carriers who are not trusted: the tag keeps every
    record until the bridge's own sealed receipt.

    When the store is full its oldest go (`store.lost`). When the flash fails the newest few are kept in RAM.
    """

    retain = False

    def __init__(self, topic, device, tags, flash):
        self.topic = topic
        self.unanswered = 0
        self.doubles = 0  # messages that a tag sent again while they still stand here
        self.refused = 0  # what no memory took
        self._device = device
        self._tags = tags
        self._held = [0] * (3 * len(tags))  # for each tag: token, first and last record of what it sent last, one run
        self.store = store = RelayStore(flash or RamDevice(3, 1024))
        if not store.mount(True):
            self._use_ram(1)
        self._next = 0  # nothing below it waits to be sent
        self._until = 0
        self._waits = False  # `_until` counts
        self._backoff = 0
        self._tries = 0
        self._bridge_lives = False

    def _use_ram(self, token):
        self.store = store = RelayStore(RamDevice(3, 1024))
        store.mount()
        store.skip_to(token)
        store.release(token - 1)

    def put(self, rssi, data):
        """Take a sealed message of a tag, copied. False when it cannot be kept."""
        header = message.parse_header(data)
        if header is None or header[0] != message.RECORDS or header[3] not in self._tags:
            self.refused += 1
            return False
        first, last = header[4], header[4] + header[2] - 1
        at = 3 * self._tags.index(header[3])
        held = self._held
        runs_on = held[at] > self.store.released
        if runs_on and held[at + 1] <= first and last <= held[at + 2]:
            self.doubles += 1
            return True
        if not self.store.append_message(rssi, data):
            self._use_ram(self.store.next_seq)
            if not self.store.append_message(rssi, data):
                self.refused += 1
                return False
        if not runs_on or first != held[at + 2] + 1:
            held[at + 1] = first
        held[at] = self.store.next_seq - 1
        held[at + 2] = last
        return True

    # As a source

    def poll(self, now):
        if self._waits and ticks_diff(now, self._until) >= 0:
            self._overdue()
        store = self.store
        if self._next >= store.next_seq:
            return -1
        first = store.first_unreleased
        token = store.first_from(max(self._next, first))
        return token if token < store.next_seq and token - first < _WINDOW else -1

    def _overdue(self):
        self._waits = False
        self._next = 0
        if self._backoff < _BACKOFF_MAX:
            self._backoff += 1
        if self._bridge_lives:
            self._bridge_lives = False
            self._backoff = 0
            self._tries += 1
            if self._tries >= _TRIES:
                self._tries = 0
                self.unanswered += 1
                self.store.release(self.store.first_unreleased)

    def render(self, token, view):
        n, rssi = self.store.message_into(token, view, message.HEADER)
        if not n:
            self._next = max(self._next, token + 1)
            return 0
        message.pack_header(view, message.RELAY_UP, 0, rssi, self._device, token)
        return message.HEADER + n

    def sent(self, token, now):
        self._next = token + 1

    def acked(self, token, now):
        if token > self.store.released:
            self._wait(now)

    def _wait(self, now):
        self._until = ticks_add(now, _ANSWER_MS << self._backoff)
        self._waits = True

    def restart(self, now):
        self._next = 0
        self._waits = False
        self._backoff = 0

    def due_ms(self, now):
        return max(ticks_diff(self._until, now), 0) if self._waits else -1

    # What the bridge says

    def answered(self, token, now):
        """The bridge has the message `token`, and with it all that went before it. False when there was none such."""
        self._bridge_lives = True
        store = self.store
        if not store.released < token < store.next_seq:
            return False
        store.release(token)
        self._tries = self._backoff = 0
        if store.first_unreleased < self._next:
            self._wait(now)
        else:
            self._waits = False
        return True

    def bridge_lives(self):
        """It has answered something else."""
        self._bridge_lives = True


class Downward:
    """For each tag, the newest sealed messages that wait for it."""

    def __init__(self, tags):
        self._tags = tags
        self._waiting = [[] for _ in tags]
        self.dropped = 0
        self.answers = 0  # the token that the last message taken answers; 0: none

    def take(self, view, n):
        """A RELAY_DOWN message from the broker. Whether it was one for a tag of ours."""
        header = message.parse_header(view)
        if header is None or header[0] != message.RELAY_DOWN:
            return False
        self.answers = header[4]
        inner = bytes(view[message.HEADER : n])
        parsed = message.parse_header(inner)
        if parsed is None or parsed[0] != message.DOWN or header[3] not in self._tags or len(inner) > MESSAGE_MAX:
            self.dropped += 1
            return True
        queue = self._waiting[self._tags.index(header[3])]
        if inner in queue:
            return True
        if len(queue) >= _PLACES:
            queue.pop(0)
            self.dropped += 1
        queue.append(inner)
        return True

    def peek(self, slot):
        """The oldest message for the tag of a slot, or None."""
        queue = self._waiting[slot]
        return queue[0] if queue else None

    def done(self, slot):
        """That message is with its tag."""
        self._waiting[slot].pop(0)

    def pending(self):
        """A bit for each slot with something waiting."""
        bits = 0
        for slot in range(len(self._waiting)):
            if self._waiting[slot]:
                bits |= 1 << slot
        return bits
