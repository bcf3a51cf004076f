"""The direct way to the bridge: a link (cellular or Ethernet) brought up when wanted, and an MQTT session on it.

When it is no longer wanted it stays until every record is receipted, or for `DRAIN_S` seconds, and only then hangs up: what
is left goes by the other way. A link that cannot be had is tried again after a pause that doubles; while something urgent waits,
each minute. One that is up and over which nothing at all was heard in `_SILENT` connections in a row is brought up anew: a
modem that hangs shows no other sign.
"""

from . import message
from .mqtt.opener import tcp_opener, tls_opener
from .mqtt.retained import Retained
from .mqtt.session import CONNECTING, DISABLED, TIMEOUT, Session
from .mqtt.stream import LOST, Jitter, Stream
from .port import const, ticks_add, ticks_diff, ticks_ms
from .version import BUILD, VERSION
from .wake import FOREVER_MS, Wake

DRAIN_S = const(60)
_BUSY_MS = const(4000)  # after something was sent or answered: an answer takes well under a second
_RETRY_FIRST_S = const(15)
_RETRY_MAX_S = const(600)
_RETRY_URGENT_S = const(60)
_SILENT = const(5)  # with their pauses and 20 s each: two to three minutes
_OFFLINE = b'{"online":false}'
_BLOB_MAX = const(1024)  # of a certificate


def _way(provision):
    # An opener, and the user to log in as: None with TLS, where the certificate says who this is. TLS as soon as there is an
    # authority in the settings store; without one only a broker on this very machine will do.
    host = provision.host
    store = provision.store
    ca = store and bytes(store.blob("ca", _BLOB_MAX))
    if ca:
        try:
            cert, key = bytes(store.blob("cert", _BLOB_MAX)), bytes(store.blob("cert_key", _BLOB_MAX))
            return tls_opener(host, provision.port, ca, cert, key), None
        except ValueError:
            words = "ca, cert, cert_key: expected certificates and a key in DER"
    elif host == "localhost" or (host.startswith("127.") and host.replace(".", "").isdigit()):
        return tcp_opener(host, provision.port), provision.name.encode()
    else:
        words = "ca: missing, and a broker that is not on this machine is spoken to by TLS alone"
    from .provision import ProvisionError

    raise ProvisionError(words)


class Carrier:
    """`run` is a task. `want(True)` brings the link up; `is_off` is true when it is down and nothing of it is under way.

    `sources` beside the uplink, and `on_relay(view, n)` for messages that are not for this device itself, serve a home unit.
    `on_link(is_up)`: the network has just proved that it is there, or was tried in vain or lost.
    """

    def __init__(self, link, provision, board_name, uplink, sources=(), on_relay=None, on_link=None):
        from . import ident

        settings = provision.settings
        shard, name = provision.shard, provision.name
        self.is_off = True
        self._working = False  # the link is going up or down
        self._silent = 0  # connections in a row on which nothing was heard
        self._seen = 0
        self._busy_since = ticks_ms()
        self._link = link
        self._uplink = uplink
        self._on_relay = on_relay
        self._on_link = on_link
        self._wanted = self._asked = self._held = False
        self._changed = Wake()
        online = b'{"online":true,"version":"%s","build":"%s","board":"%s"}' % (
            VERSION.encode(),
            BUILD.encode(),
            board_name.encode(),
        )
        state_topic = ident.topic(shard, name, ident.STATE).encode()
        opener, user = _way(provision)
        session = Session(
            name.encode(),
            user,
            user and provision.password.encode(),
            ident.topic(shard, name, ident.DOWN).encode(),
            [Retained(state_topic, online), uplink] + list(sources),
            self._on_message,
            will_topic=state_topic,
            will=_OFFLINE,
            window=4,
            keepalive_s=settings.keepalive_s,
            payload_size=message.HEADER + settings.batch_records * 32 + message.TAG_LENGTH,
        )
        self.stream = Stream(session, opener, self._on_event, Jitter(provision.device))

    def want(self, on):
        """Whether the direct way is to be used."""
        self._asked = on
        on = on or self._held
        if on != self._wanted:
            self._wanted = on
            self._changed.set()

    def hold(self, on):
        """An update needs the direct way, whatever `want` says."""
        self._held = on
        self.want(self._asked)

    def notify(self):
        """There is something new to send."""
        self.stream.notify()
        self._changed.set()

    @property
    def is_quiet(self):
        """Whether nothing is lost when the processor sleeps now: what comes in meanwhile waits in the modem."""
        uplink = self._uplink
        now = ticks_ms()
        seen = uplink.in_flight + uplink.receipts + uplink.repeats + self.stream.attempts
        if seen != self._seen:
            self._seen = seen
            self._busy_since = now
        if self._working or ticks_diff(now, self._busy_since) < _BUSY_MS:
            return False
        state = self.stream.session.state
        return state != CONNECTING

    async def run(self):
        """Never returns."""
        retry_s = _RETRY_FIRST_S
        while True:
            while not self._wanted:
                await self._changed.wait(FOREVER_MS)
            self.is_off = False
            self._working = True
            up = await self._link.up()
            self._working = False
            if not up:
                self._tell_link(False)
            if up:
                retry_s = _RETRY_FIRST_S
                self._silent = 0
                self.stream.enable()
                while self._link.is_up() and self._silent < _SILENT:
                    if self._wanted:
                        await self._changed.wait(FOREVER_MS)
                    elif not await self._drain():
                        break
                await self._hang_up()
            else:
                began = ticks_ms()
                while self._wanted:
                    pause_s = min(retry_s, _RETRY_URGENT_S) if self._uplink.urgent else retry_s
                    left = pause_s * 1000 - ticks_diff(ticks_ms(), began)
                    if left <= 0:
                        break
                    await self._changed.wait(left)
                retry_s = min(2 * retry_s, _RETRY_MAX_S)
            self.is_off = not self._wanted

    async def _drain(self):
        # Until there is nothing left or no time. True when the link is wanted again.
        deadline = ticks_add(ticks_ms(), DRAIN_S * 1000)
        while not self._uplink.drained and not self._wanted and self._link.is_up():
            left = ticks_diff(deadline, ticks_ms())
            if left <= 0:
                return False
            self._uplink.urgent = True
            self.stream.notify()
            await self._changed.wait(min(left, 5000))
        return self._wanted

    async def _hang_up(self):
        self._working = True
        self.stream.disable()
        while self.stream.connected:
            await self._changed.wait(1000)
        await self._link.down()
        self._working = False

    def _tell_link(self, is_up):
        if self._on_link is not None:
            self._on_link(is_up)

    def _on_event(self, kind, detail):
        if kind == LOST:
            self._silent = self._silent + 1 if detail == TIMEOUT else 0
            if detail != DISABLED:
                self._tell_link(False)
            self._changed.set()
        else:
            self._silent = 0
            self._tell_link(True)

    def _on_message(self, view, n):
        if self._on_relay is not None and self._on_relay(view, n):
            return True
        if self._uplink.on_down(view, n, ticks_ms()):
            self._tell_link(True)
        self._changed.set()
        return True
