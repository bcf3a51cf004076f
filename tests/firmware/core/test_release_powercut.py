"""A release comes into a folder of a real littlefs, and the power goes at any write of it: what starts next is whole, to the
byte, and the update goes on to its end. `switch`, `release` and `main.py` as a device has them."""

import random
import subprocess

from tests.firmware.core.interpreter import ROOT, micropython

SCRIPT = r'''
import hashlib, os, sys, vfs
from binascii import hexlify
from firmware import switch
from firmware.core import release

sys.modules["switch"] = switch
BLOCK, BLOCKS = 512, 200

class Flash:
    """Power goes at the `cut`-th write or erasure, which is left half done."""
    def __init__(self, data):
        self.data, self.cut, self.count, self.dead = data, 0, 0, False
    def _op(self, start, new):
        if self.dead:
            raise OSError(5)
        self.count += 1
        if self.count == self.cut:
            self.dead = True
            self.data[start : start + len(new) // 2] = new[: len(new) // 2]
            raise OSError(5)
        self.data[start : start + len(new)] = new
    def readblocks(self, n, buf, off=0):
        if self.dead:
            raise OSError(5)
        buf[:] = self.data[n * BLOCK + off : n * BLOCK + off + len(buf)]
    def writeblocks(self, n, buf, off=None):
        self._op(n * BLOCK + (off or 0), bytes(buf))
    def ioctl(self, op, arg):
        if op == 4: return BLOCKS
        if op == 5: return BLOCK
        if op == 6: self._op(arg * BLOCK, b"\xff" * BLOCK)
        return 0

def data_of(seed, n):
    out = bytearray()
    while len(out) < n:
        out += hashlib.sha256(b"%d %d" % (seed, len(out))).digest()
    return bytes(out[:n])

def sha256(data):
    return hexlify(hashlib.sha256(data).digest()).decode()

def manifest(number, files):
    rows = ",\n".join('"%s": [%d, "%s"]' % (p, len(files[p]), sha256(files[p])) for p in sorted(files))
    head = '{\n"format": 1,\n"version": "1",\n"number": %d,\n"root": {\n"main.py": [1, "0"]\n},\n"files": {\n%s\n}\n}\n'
    return (head % (number, rows)).encode()

INIT, KEPT, ONE, TWO = "firmware/__init__.mpy", "firmware/core/kept.mpy", "firmware/core/one.mpy", "firmware/tag/two.mpy"
THREE = "firmware/core/three.mpy"
OLD = {INIT: data_of(9, 10), "firmware/core/gone.mpy": data_of(2, 900), KEPT: data_of(1, 700)}
A = {INIT: data_of(9, 10), KEPT: data_of(1, 700), ONE: data_of(3, 1500), TWO: data_of(4, 300)}
NEW = {INIT: data_of(9, 10), KEPT: data_of(1, 700), ONE: data_of(5, 2100), THREE: data_of(6, 1300), TWO: A[TWO]}
RELEASES = {"/m/a": [(A, manifest(2, A))], "/m/b": [(OLD, manifest(1, OLD)), (NEW, manifest(3, NEW))]}
WANTED = RELEASES["/m/b"][1][1]
IMAGE = WANTED + b"".join(NEW[p] for p in sorted(NEW))

def put(folder, files, text):
    for path in files:
        parts = (folder + "/" + path).split("/")
        for i in range(3, len(parts)):
            try: os.mkdir("/".join(parts[:i]))
            except OSError: pass
        with open(folder + "/" + path, "wb") as f: f.write(files[path])
    with open(folder + "/manifest.json", "wb") as f: f.write(text)

blank = Flash(bytearray(b"\xff" * BLOCK * BLOCKS))
vfs.VfsLfs2.mkfs(blank)
vfs.mount(vfs.VfsLfs2(blank), "/m")
put("/m/a", *RELEASES["/m/a"][0]); put("/m/b", *RELEASES["/m/b"][0])
vfs.umount("/m")
START = bytes(blank.data)

def read(path):
    with open(path, "rb") as f: return f.read()

def is_right(folder):
    for files, text in RELEASES[folder]:
        if read(folder + "/manifest.json") == text:
            return all(read(folder + "/" + p) == files[p] for p in files)
    return False

class Store:
    """Settings store: each value whole or not at all, and the power may go before it is written."""
    def __init__(self):
        self.values, self.flash = {"release": 0}, None
    def get_i32(self, key):
        return self.values[key]
    def get_blob(self, key, buf):
        raise OSError(2)
    def set_i32(self, key, value):
        self.flash._op(0, b"")
        self.values[key] = value
    def commit(self):
        pass

source = open("firmware/main.py").read()
main = {"__name__": "main"}
exec(source[: source.index("_package = ")], main)

taking = None

def life(store, flash, piece, drop):
    """From power-up to the end of the update; OSError when the power goes. What ran."""
    os.chdir("/m")
    chosen = main["_choose"](store)
    sys.modules["switch"] = switch
    os.chdir("/")
    assert is_right(chosen), chosen
    value = store.values["release"]
    if switch.on_trial(value):
        store.set_i32("release", switch.confirmed(value))
        return chosen
    if chosen == "/m/b":
        return chosen
    if not switch.is_busy(value):
        store.set_i32("release", switch.busy(value))
    global taking
    taking = release.Taking("/m/b", "/m/a", len(WANTED), hashlib.sha256(WANTED).digest())
    asked = 0
    while taking.state == release.COMING:
        had = taking.has_manifest
        for _ in taking.survey(): pass
        while taking.state == release.COMING and taking.has_manifest == had:
            n = min(piece, taking.run_length(), len(IMAGE) - taking.at)
            assert n > 0
            asked += n
            at = taking.at
            if drop(): taking.take(at + 1, b"x")  # out of its turn
            taking.take(at, IMAGE[at : at + min(piece, len(IMAGE) - at)])
            if drop(): taking.take(at, IMAGE[at : at + n])  # once more
            if drop(): taking.keep()
    assert taking.state == release.WHOLE
    taking.finish()
    store.set_i32("release", switch.trial(store.values["release"]))
    store.asked = asked
    return life(store, flash, piece, drop)

def case(cuts, piece, seed):
    chance = [seed or 1]
    def drop():
        chance[0] = (chance[0] * 1103515245 + 12345) & 0x3fffffff
        return not chance[0] >> 10 & 3
    store, data = Store(), bytearray(START)
    for cut in cuts + [0]:
        flash = store.flash = Flash(data)
        flash.cut = cut
        vfs.mount(vfs.VfsLfs2(flash), "/m")
        try:
            ended = life(store, flash, piece, drop)
        except OSError:
            ended = None
            assert flash.dead
        if taking is not None:  # the collector would close its files later, and say that it cannot
            try: taking.close()
            except OSError: pass
        try: vfs.umount("/m")
        except OSError: pass
        if ended == "/m/b" and store.values["release"] & 1: break
        data = bytearray(flash.data)
    vfs.mount(vfs.VfsLfs2(Flash(bytearray(flash.data))), "/m")
    assert ended == "/m/b" and is_right("/m/b") and is_right("/m/a")
    names = sorted(os.listdir("/m/b")), sorted(os.listdir("/m/b/firmware/core"))
    assert names == (["firmware", "manifest.json"], ["kept.mpy", "one.mpy", "three.mpy"]), names
    vfs.umount("/m")
    return flash.count, getattr(store, "asked", 0)
'''


def results(body: str) -> list[int]:
    """What `body` tells. What else is printed is of files that were open when the power went and that the collector closes."""
    command = [micropython(), "-X", "heapsize=2048wK", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}{body}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)
    told = [line for line in done.stdout.splitlines() if line.startswith("told ")]
    assert done.returncode == 0 and told, done.stderr[-2000:]
    return list(map(int, told[-1].split()[1:]))


def test_without_a_cut_only_what_differs_is_asked_for():
    count, asked, wanted = results("print('told', *case([], 240, 1), len(WANTED) + 2100 + 1300)")
    assert asked == wanted and count > 50


def test_the_power_goes_at_any_write():
    """Each of them, with and without a second cut while it recovers."""
    body = """
total = case([], 240, 1)[0]
done = 0
for cut in range(1, total + 1):
    case([cut], 240, cut)
    case([cut, 1 + cut * 7 % 40], 100, cut)
    done += 2
print('told', done)
"""
    assert results(body)[0] > 100


def test_the_power_goes_at_every_write_and_again_and_again():
    seed = random.SystemRandom().randrange(1 << 20)
    print("seed", seed)
    body = f"""
total = case([], 240, 1)[0]
chance = [{seed} or 1]
def draw(n):
    chance[0] = (chance[0] * 1103515245 + 12345) & 0x3fffffff
    return chance[0] >> 8
for cut in range(1, total + 1):
    case([cut], 240, cut)
    case([cut] + [1 + draw(0) % 60 for _ in range(draw(0) % 4)], 1 + draw(0) % 300, draw(0))
print('told', total)
"""
    assert results(body)[0] > 50
