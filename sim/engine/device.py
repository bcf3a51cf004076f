"""One simulated device in virtual time: its inputs yet to come, how far it has got, and when it acts next."""

from bisect import insort
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

from sim.engine.process import DeviceProcess, Zygote
from sim.engine.recording import Recorder
from sim.engine.wire import ITEM_HEAD, RUN_HEAD, Item, Yield, pack_run
from sim.silicon import _channels as ch

_SLIPPED = (-1, 0, 0, 0)
_BODY_MAX = ch.RUN_MAX - RUN_HEAD
_OUTLIVE = (ch.PIN_IN, ch.ADC_IN, ch.POWER, ch.CRASH)  # what comes whether the processor lives or not
CRASH_WORDS = "the scenario lets it crash"  # of an exception that is wanted
_RESET_MS = 300  # power-up of an ESP32 to its application: ROM and second-stage boot loader (our judgement)


class Device:
    """`now_ms` is the device's own clock; `wake_ms` its next timer; `horizon_ms` how far it has been allowed to run.

    Inputs are ordered by (time, channel, sub, arrival within that channel), never by the order in which the host happened to
    learn of them, so a run does not depend on the host's speed.
    """

    def __init__(
        self,
        name: str,
        device_id: int,
        folder: Path,
        application: str,
        zygote: Zygote,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self.device_id = device_id
        self.folder = folder
        self.now_ms = 0
        self.wake_ms = 0
        self.horizon_ms = -1
        self._began_ms = 0
        self.running = True  # a new process announces itself with a YIELD
        self.lives = 0
        self.is_off = False  # no supply, and no process
        self.is_broken = False  # and never again
        self.turns = 0
        self.short_lives = 0  # in a row
        self.crashes: list[str] = []
        self.bytes_up = self.bytes_down = 0  # of its connections to the broker
        self._application = application
        self._zygote = zygote
        self._inbox: list[tuple[tuple[int, int, int, int], Item]] = []
        self._sent: list[tuple[tuple[int, int, int, int], Item]] = []
        self._slipped: list[Item] = []
        self._counters: dict[tuple[int, int], int] = {}
        self.recorder = recorder
        self.process = self._boot(1)

    def _boot(self, cause: int) -> DeviceProcess:
        self.lives += 1
        self.born_ms = self.now_ms
        unique_id = b"\x02" + self.device_id.to_bytes(5, "big")  # a locally administered address
        if self.recorder is not None:
            self.recorder.life(self.folder, self.now_ms, cause, unique_id)
        process = self._zygote.spawn(self.folder, unique_id, cause, self._application)
        process.recorder = self.recorder
        return process

    @property
    def activity_ms(self) -> int:
        """When it acts next: its own timer or its first input. While it runs: when that run began."""
        if self.running:
            return self._began_ms
        if self.is_off:
            return next((t_ms for (t_ms, *_), item in self._inbox if item.channel == ch.POWER and item.payload[0]), ch.NEVER)
        if self._slipped:
            return self.now_ms
        return min(self.wake_ms, self._inbox[0][0][0]) if self._inbox else self.wake_ms

    def push(self, t_ms: int, channel: int, sub: int, payload: bytes) -> None:
        """An input at a virtual time. It must lie beyond the device's horizon: the past is told."""
        if self.is_broken:
            return
        if t_ms <= self.horizon_ms:
            raise RuntimeError(f"{self.name}: input on channel {channel} at {t_ms} ms, but it ran to {self.horizon_ms} ms")
        t_ms = max(t_ms, self.now_ms)  # while it starts nobody listens: what happened is there when it has
        count = self._counters.get((channel, sub), 0)
        self._counters[channel, sub] = count + 1
        insort(self._inbox, ((t_ms, channel, sub, count), Item(t_ms, channel, sub, payload)), key=itemgetter(0))

    def slip(self, channel: int, sub: int, payload: bytes) -> None:
        """Something that the silicon settles by itself and at once, wherever the device stands in time: no input to the
        application, which neither sees it nor acts on it."""
        if not self.is_off:
            self._slipped.append(Item(0, channel, sub, payload))

    def drop(self, predicate: Callable[[Item], bool]) -> None:
        """Take back inputs that will not happen after all (the receiver that sent them was switched off)."""
        self._inbox = [entry for entry in self._inbox if not predicate(entry[1])]

    def run(self, horizon_ms: int, clear_ms: int = 0) -> None:
        """Let it run up to a horizon with the inputs that lie before it; fewer when they do not fit one RUN."""
        size = 0
        n = 0
        slipped = []
        if self._slipped:
            # Out of time: what it is told by that comes as soon as it may, not after time that it would be given here.
            horizon_ms = max(self.horizon_ms, self.now_ms)
        while self._slipped and size + ITEM_HEAD + len(self._slipped[0].payload) <= _BODY_MAX:
            item = self._slipped.pop(0)._replace(t_ms=self.now_ms)
            size += ITEM_HEAD + len(item.payload)
            slipped.append((_SLIPPED, item))
        for key, item in self._inbox:
            if key[0] > horizon_ms:
                break
            size += ITEM_HEAD + len(item.payload)
            if size > _BODY_MAX:
                horizon_ms = key[0]
                break
            n += 1
        self._began_ms = self.now_ms if slipped else self.activity_ms
        self._sent = slipped + self._inbox[:n]
        del self._inbox[:n]
        self.horizon_ms = horizon_ms
        self.running = True
        self.turns += 1
        self.process.send(pack_run(self.now_ms, horizon_ms, map(itemgetter(1), self._sent), clear_ms))

    def receive(self) -> Yield | None:
        """Its answer, when it is whole. EOFError when the process has ended."""
        answer = self.process.receive()
        if answer is None:
            return None
        left = self._sent[answer.consumed :]
        self._slipped[:0] = [item for key, item in left if key == _SLIPPED]
        self._inbox[:0] = [entry for entry in left if entry[0] != _SLIPPED]
        self._sent = []
        self.now_ms = max(self.now_ms, answer.now_ms)
        self.wake_ms = max(answer.wake_ms, self.now_ms)
        # It may have stopped short of its horizon because of what it said: the world can still answer from here on.
        # What the silicon says by itself is said out of time, and leaves everything as it was.
        if any(item.channel != ch.SOCK_OUT or item.payload[0] != ch.SOCK_HEARD for item in answer.items):
            self.horizon_ms = min(self.horizon_ms, self.now_ms)
        self.running = False
        return answer

    def reboot(self, cause: int) -> None:
        """Start its next life with what its flash holds."""
        self._end()
        self._begin(cause)

    def power_off(self) -> None:
        """Its supply has failed: no process, and nothing to do until an input says that there is power again."""
        self._end()
        self.is_off = True
        self.running = False
        self.wake_ms = ch.NEVER
        self._inbox = [entry for entry in self._inbox if entry[1].channel in _OUTLIVE]

    def retire(self) -> None:
        """Out of service for the rest of the run: it has no power, and nothing reaches it."""
        self.power_off()
        self.is_broken = True
        self._inbox = []

    def power_up(self) -> None:
        """The power is back, at the time that the input says."""
        self.now_ms = max(self.now_ms, self.activity_ms)
        self.horizon_ms = max(self.horizon_ms, self.now_ms)
        self.is_off = False
        self._begin(1)

    def _end(self) -> None:
        self.process.close()
        # It died on the way to its horizon, nobody knows where: all of that way is lived, so that what it recorded there is
        # not dated after what it records next, and what its pins say at its next start is told in time.
        self.now_ms = max(self.now_ms, self.horizon_ms)
        self._sent = []
        self._slipped = []

    def _begin(self, cause: int) -> None:
        self.now_ms += _RESET_MS
        # Pins and voltages of the time to come; what they did until now is seen in what they are when it starts.
        kept = (entry for entry in self._inbox if entry[1].channel in _OUTLIVE)
        kept = [entry for entry in kept if entry[1].t_ms >= self.now_ms or self._still_counts(entry[1])]
        self._inbox = [(key, item._replace(t_ms=max(item.t_ms, self.now_ms))) for key, item in kept]
        self.wake_ms = self._began_ms = self.now_ms
        self.process = self._boot(cause)
        self.running = True

    def _still_counts(self, item: Item) -> bool:
        # A supply that fails while it starts.
        return item.channel == ch.POWER and not item.payload[0] and item.t_ms >= self.now_ms - _RESET_MS
