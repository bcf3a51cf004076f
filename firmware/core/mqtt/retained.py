"""One retained message that is kept up to date at the broker: a source for `session`, as for `state` ("online").

Only the newest value counts: it is sent when it changes and again after each reconnection (the last will has replaced it).
"""


class Retained:
    """`set` a value; it is published at QoS 1, retained, when there is a connection."""

    retain = True

    def __init__(self, topic, value):
        self.topic = topic
        self.value = value
        self._version = 0
        self._sent = False

    def set(self, value):
        """The new value, bytes. Sent unless it is the old one."""
        if value != self.value:
            self.value = value
            self._version += 1
            self._sent = False

    def poll(self, now):
        return -1 if self._sent else self._version

    def render(self, token, view):
        n = len(self.value)
        view[:n] = self.value
        return n

    def sent(self, token, now):
        self._sent = True

    def acked(self, token, now):
        pass

    def restart(self, now):
        self._sent = False

    def due_ms(self, now):
        return -1
