"""One board, from what is on it to the first healthy word of what was put there.

Whatever happens, the folder that ran keeps running: the other one is written, verified by hash on the board, and only then does
one atomic write to the settings store put it on trial. Each step can be done again, so after any trouble on the line all is
looked at anew and what is missing is done.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware import switch
from tools.board import BoardError, DeviceError, Link, LinkError
from tools.board.errors import SilentError, VanishedError
from tools.flash.plan import Found, Plan, folders_of, make_plan
from tools.flash.wanted import ARCHITECTURES, Release, Wanted

GUARD_S = 300  # a board that nobody speaks to any more starts its application again (our judgement: a slow file takes 2 minutes)
TRIES = 8  # in vain, one after the other
_NO_SPACE = 28
_ON_TRIAL = " updating"  # core/console.py
_NOT_PROVISIONED = b"homeward: not provisioned"

# Reads from the settings store and the file system alone. `_walk` gives what lies in a folder with its hashes.
_LOOK = """import sys,os
from esp32 import NVS
s=NVS("homeward")
b=bytearray(64)
try:
 b=bytes(b[:s.get_blob("board",b)])
except OSError:
 b=b""
try:
 n=s.get_i32("release")
except OSError:
 n=0
v=os.statvfs("/")
m=sys.implementation._mpy
r=(m,sys.platform,getattr(sys.implementation,"_machine",""),b,n,v[0]*v[3])
def _walk(top,at,out,hashes):
 try:
  found=list(os.ilistdir(top+at))
 except OSError:
  return out
 for e in found:
  p=at+"/"+e[0]
  if e[1]&0x4000:
   _walk(top,p,out,hashes)
  elif hashes:
   out[p[1:]]=_sha(top+p)
  else:
   out[p[1:]]=""
 return out
def _copy(source,target):
 with open(source,"rb") as f:
  with open(target+".part","wb") as g:
   while True:
    d=f.read(1024)
    if not d:
     break
    g.write(d)
 _fed()
 os.rename(target+".part",target)
def _rm(path):
 try:
  os.remove(path)
 except OSError as e:
  if e.errno!=2:
   raise
def _mk(path):
 try:
  os.mkdir(path)
 except OSError as e:
  if e.errno!=17:
   raise
"""


class Reporter(Protocol):
    """Who shows how it goes. `board` is the board's name."""

    def stage(self, board: str, text: str) -> None: ...

    def total(self, board: str, size: int) -> None:
        """Bytes still to be sent; 0 when nothing is."""
        ...

    def sent(self, board: str, size: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What became of a board. `is_good`: it runs what it was to run (or would, on a dry run)."""

    board: str
    is_good: bool
    text: str
    bytes_sent: int = 0
    files_sent: int = 0
    took_s: float = 0.0


@dataclass(frozen=True)
class Asked:
    """What may be asked of a flash. `wait_s`: for the first healthy word, after each start."""

    dry_run: bool = False
    wait_s: float = 60.0
    guard_s: int = GUARD_S
    back_within_s: float = 10.0


def look(link: Link, guard_s: int = GUARD_S) -> Found:
    """What is on a board. LinkError, DeviceError."""
    link.tools()
    link.guard(guard_s)
    try:
        said = link.run(_LOOK)
    except DeviceError as error:
        if error.kind == "ImportError":
            raise BoardError(link.port.name, "this board has no NVS: it is no ESP32") from None
        raise
    assert isinstance(said, tuple)
    mpy, platform, machine, board, release, free = said
    trees: dict[str, dict[str, str]] = {}
    for name in switch.NAMES:
        tree = link.run(f"r=_walk('/{name}','',{{}},True)")
        assert isinstance(tree, dict)
        trees[name] = tree
    trees["/"] = {name: link.sha256("/" + name) or "" for name in ("main.py", "switch.mpy")}
    arch = (mpy >> 10) & 0xF
    name = ARCHITECTURES[arch] if arch < len(ARCHITECTURES) else f"architecture {arch}"
    return Found(name, (mpy & 0xFF, mpy >> 8 & 3), platform, machine, board.decode("utf-8", "replace"), release, free, trees)


class Session:
    """Flash one board. `run` raises BoardError when a person has to do something; after it, what ran before runs."""

    def __init__(self, link: Link, wanted: Wanted, asked: Asked, reporter: Reporter) -> None:
        self._link = link
        self._wanted = wanted
        self._asked = asked
        self._reporter = reporter
        self._name = link.port.name
        self._sent: dict[str, int] = {}
        self._total_told = False

    def run(self) -> Outcome:
        began = time.monotonic()
        try:
            found, release, plan = self._again(self._write)
        except SilentError:
            raise
        except BaseException:  # Ctrl-C too
            self._leave_alone()
            raise
        manifest = release.manifest
        name = f"{manifest.board} {manifest.version} build {manifest.build}"
        if self._asked.dry_run:
            self._leave_alone()
            return Outcome(self._name, True, f"{name}: {_would(plan)}")
        self._reporter.stage(self._name, "starting")
        is_new = not plan.is_there
        text, is_good = self._await_health(manifest.build, is_new, bool(found.board), found.release)
        done = _did(self._sent, len(manifest.files)) if is_new or self._sent else "nothing differs, nothing sent"
        took = time.monotonic() - began
        return Outcome(self._name, is_good, f"{name}: {done}; {text}", sum(self._sent.values()), len(self._sent), took)

    # What can be done again

    def _again(self, action: Callable[[], tuple[Found, Release, Plan]]) -> tuple[Found, Release, Plan]:
        in_vain = 0
        while True:
            before = len(self._sent)
            try:
                return action()
            except LinkError as error:
                in_vain = 1 if len(self._sent) > before else in_vain + 1
                if in_vain >= TRIES or isinstance(error, SilentError):
                    raise
                self._reporter.stage(self._name, "again: " + str(error).removeprefix(self._name + ": ")[:60])
                if isinstance(error, VanishedError):
                    self._link.reopen(self._asked.back_within_s)

    def _write(self) -> tuple[Found, Release, Plan]:
        link, say = self._link, lambda text: self._reporter.stage(self._name, text)
        say("connecting")
        link.enter()
        say("looking")
        found = look(link, self._asked.guard_s)
        board = self._wanted.board_of(self._name, found.board)
        say("compiling")
        release = self._wanted.release_for(self._name, board, found.arch, found.mpy, found.platform)
        plan = make_plan(found, release.manifest)
        if not self._total_told:
            self._total_told = True
            self._reporter.total(self._name, plan.bytes_to_send)
        if not plan.is_there and not self._asked.dry_run:
            self._fill(found, release, plan)
        return found, release, plan

    def _fill(self, found: Found, release: Release, plan: Plan) -> None:
        link, top, manifest = self._link, f"/{plan.folder}", release.manifest
        if switch.told(found.release) != found.release:
            link.keep_number(switch.KEY, switch.told(found.release))  # no trial of what is now taken apart
        link.run(f"_rm({top + '/' + switch.WHOLE!r})")
        for path in plan.remove:
            link.run(f"_rm({f'{top}/{path}'!r})")
        self._check_space(plan)
        link.run(f"_mk({top!r})")
        for folder in folders_of([*plan.send, *plan.copy]):
            link.run(f"_mk({f'{top}/{folder}'!r})")
        self._reporter.stage(self._name, "writing")
        try:
            for path, source in plan.copy.items():
                link.run(f"_copy({source!r},{f'{top}/{path}'!r})")
            for path in plan.send:
                self._send(f"{top}/{path}", release.contents[path])
            self._reporter.stage(self._name, "verifying")
            self._verify(top, release)
            link.write_file(f"{top}/{switch.WHOLE}", manifest.to_bytes())
            for path in sorted(plan.root, reverse=True):  # switch.mpy before main.py, which asks it
                self._send(f"/{path}", release.contents[path])
        except DeviceError as error:
            if error.number == _NO_SPACE:
                raise self._full(plan) from None
            raise
        link.keep_number(switch.KEY, switch.trial(switch.told(found.release), is_easy=True))

    def _send(self, path: str, data: bytes) -> None:
        self._link.write_file(path, data, lambda n: self._reporter.sent(self._name, n))
        self._sent[path] = len(data)

    def _check_space(self, plan: Plan) -> None:
        free = self._link.run("v=os.statvfs('/')\nr=v[0]*v[3]")
        assert isinstance(free, int)
        if free < plan.needed:
            raise self._full(plan, free)

    def _full(self, plan: Plan, free: int | None = None) -> BoardError:
        known = "" if free is None else f", {free // 1024} KiB are free"
        return BoardError(
            self._name,
            f"its file system is full: {plan.needed // 1024} KiB are needed{known}; take away what is not Homeward's "
            f"(mpremote connect {self._link.port.device} ls :)",
        )

    def _verify(self, top: str, release: Release) -> None:
        tree = self._link.run(f"r=_walk({top!r},'',{{}},True)")
        expected = {path: file.sha256 for path, file in release.manifest.files.items()}
        if tree != expected:
            raise LinkError(self._name, "what is on the board is not what was sent")

    # Afterwards

    def _leave_alone(self) -> None:
        # Out of the REPL, to what ran before; a board that cannot be told so does it by its watchdog.
        try:
            self._link.reset()
        except BoardError:
            pass

    def _await_health(self, build: str, is_new: bool, is_provisioned: bool, before: int) -> tuple[str, bool]:
        """What it said, and whether that is the new release's. `before`: the number of `switch` before anything was done."""
        began = time.monotonic()
        said = self._first_word(is_provisioned)
        if not is_provisioned:
            is_good = said is not None
            return ("not provisioned yet: homeward provision" if is_good else "it does not start"), is_good
        if said is not None and f"build {build} " in said:
            state = self._ask("state", "mode ", 10.0)
            took = time.monotonic() - began
            if state is not None and self._is_settled(said):
                return f"healthy after {took:.1f} s: {state}", True
        why = self._last_words()
        if said is not None and f"build {build} " not in said:
            return f"it went back to what ran before ({said}): {why}", False
        if not is_new:
            return f"no healthy word within {self._asked.wait_s:.0f} s: {why}", False
        return self._back(why, before), False

    def _first_word(self, is_provisioned: bool) -> str | None:
        link = self._link
        for _ in range(TRIES):
            try:
                link.reset()
                if is_provisioned:
                    return link.ask("version", "version ", self._asked.wait_s)
                return link.hear(_NOT_PROVISIONED, self._asked.wait_s)
            except LinkError as error:
                try:
                    if isinstance(error, VanishedError):
                        link.reopen(self._asked.back_within_s)
                    link.enter()
                except BoardError:
                    break
        return None

    def _is_settled(self, said: str | None) -> bool:
        # What was flashed is on trial until its main loop has run for a while.
        deadline = time.monotonic() + self._asked.wait_s
        while said is not None and said.endswith(_ON_TRIAL):
            if time.monotonic() > deadline:
                return False
            self._reporter.stage(self._name, "on trial")
            time.sleep(0.1)
            said = self._ask("version", "version ", 10.0)
        return said is not None

    def _ask(self, word: str, prefix: str, within_s: float) -> str | None:
        try:
            return self._link.ask(word, prefix, within_s)
        except VanishedError:
            try:
                self._link.reopen(self._asked.back_within_s)
                return self._link.ask(word, prefix, within_s)
            except BoardError:
                return None

    def _last_words(self) -> str:
        lines = [line.strip() for line in bytes(self._link.heard).decode("utf-8", "replace").splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line or line.startswith("homeward:")]
        return (errors or lines or ["it says nothing"])[-1][:120]

    def _back(self, why: str, before: int) -> str:
        """The new release does not come up: what ran before is to run."""
        link = self._link
        try:
            if not link.is_open:
                link.reopen(self._asked.back_within_s)
            link.enter()
            link.keep_number(switch.KEY, switch.told(before))  # it may have been confirmed meanwhile
            link.reset()
            old = link.ask("version", "version ", self._asked.wait_s)
        except BoardError as error:
            return f"no healthy word ({why}), and it cannot be put back: {error}"
        return (
            f"no healthy word within {self._asked.wait_s:.0f} s ({why}); what ran before runs again: {old or 'it says nothing'}"
        )


def _did(sent: dict[str, int], files: int) -> str:
    return f"{len(sent)} files sent ({sum(sent.values()):,} bytes), {files} verified"


def _would(plan: Plan) -> str:
    if plan.is_there:
        return "nothing differs, nothing would be sent"
    count = len(plan.send) + len(plan.root)
    return (
        f"would send {count} files ({plan.bytes_to_send:,} bytes), copy {len(plan.copy)} and remove {len(plan.remove)} "
        f"in folder {plan.folder}, and start it"
    )
