"""Sealing: AES-CCM (RFC 3610, L = 2), HKDF-SHA256 (RFC 5869) and the keys that come of them.

Built on `cryptolib`'s AES in ECB and CBC mode, which every MicroPython port has; on CPython the same code runs over the same
two modes of `cryptography`, so that what is tested there is what the device runs. Sealing and opening allocate nothing:
one ECB and one CBC object live as long as the key, and the CBC chain is taken back to its start by XORing its last
ciphertext block into the first block of the next message (CBC encrypts P xor C, so C cancels out).

Opening refuses, and never raises, on any bytes. Tags are compared in constant time; what fails to open is wiped.
"""

# pyright: reportArgumentType=false
# (viper's ptr8 takes any buffer, which its stub does not say)

import hashlib
import struct
from binascii import hexlify

from .message import HEADER, NONCE, TAG_LENGTH, nonce_into
from .port import MICROPYTHON, const

if MICROPYTHON:
    from cryptolib import aes

    try:
        from ._seal_viper import copy_bytes, xor_bytes
    except (ImportError, SyntaxError, ValueError):  # no native emitter, or one for another machine
        from ._seal_bytes import copy_bytes, xor_bytes
else:
    from ._seal_cpython import aes, copy_bytes, xor_bytes  # type: ignore

KEY = const(16)
FLEET_KEY = const(32)
REFUSED = const(-1)

_ECB = const(1)
_CBC = const(2)
_BLOCK = const(16)
_CHUNK = const(128)  # bytes handed to the cipher at once: eight blocks, enough to hide the cost of a call
_LAST = const(112)  # where the chunk's last block starts
_THREE = const(48)  # three blocks: B0, and the associated data of `mac`
_ADATA_4 = const(0x49)  # B0's flags: associated data, a tag of 4 bytes, L = 2
_AAD_MAX = const(0xFEFF)  # RFC 3610 section 2.2: two length bytes up to here


class Ccm:
    """AES-CCM under one 16-byte key. Not re-entrant: the working buffers (317 bytes) belong to the object."""

    def __init__(self, key):
        if len(key) != KEY:
            raise ValueError("key of %d bytes, expected %d" % (len(key), KEY))
        self._ecb = aes(key, _ECB)
        self._cbc = aes(key, _CBC, bytes(_BLOCK))
        self._chunk = bytearray(_CHUNK)
        self._counters = bytearray(_CHUNK)
        self._chain = bytearray(_BLOCK)  # the CBC object's last ciphertext block
        self._mac = bytearray(_BLOCK)
        self._s0 = bytearray(_BLOCK)
        self._nonce = bytearray(NONCE)
        self._three = memoryview(self._chunk)[:_THREE]

    # Messages (message.py): header of 12 bytes, payload, tag of 8 bytes.

    def seal(self, buf, n):
        """Seal in place: buf holds the header, then `n` bytes of payload, then room for the tag. The total length."""
        nonce_into(self._nonce, buf)
        self.encrypt(self._nonce, buf, HEADER, buf, HEADER, n, TAG_LENGTH)
        return HEADER + n + TAG_LENGTH

    def seal_into(self, out, header, payload, n):
        """Seal the first `n` bytes of `payload` under `header` into `out`. The total length."""
        if len(out) < HEADER + n + TAG_LENGTH or len(payload) < n or len(header) < HEADER:
            raise ValueError("sealing %d bytes into %d" % (n, len(out)))
        copy_bytes(out, 0, header, 0, HEADER)
        copy_bytes(out, HEADER, payload, 0, n)
        return self.seal(out, n)

    def open(self, buf, total):
        """Open the message of `total` bytes in place: the payload then stands at buf[12:]. Its length, or REFUSED."""
        n = total - HEADER - TAG_LENGTH
        if n < 0 or len(buf) < total:
            return REFUSED
        nonce_into(self._nonce, buf)
        return n if self.decrypt(self._nonce, buf, HEADER, buf, HEADER, n, TAG_LENGTH) else REFUSED

    def open_into(self, out, message, total):
        """Open the first `total` bytes of `message` into `out`, payload first. Its length, or REFUSED (`out` is then wiped).

        `out` must hold the ciphertext and its tag (`total` - 12 bytes); a longer message is refused.
        """
        n = total - HEADER - TAG_LENGTH
        if n < 0 or len(message) < total or len(out) < n + TAG_LENGTH:
            return REFUSED
        nonce_into(self._nonce, message)
        copy_bytes(out, 0, message, HEADER, n + TAG_LENGTH)
        return n if self.decrypt(self._nonce, message, HEADER, out, 0, n, TAG_LENGTH) else REFUSED

    # RFC 3610 itself. `nonce` has 13 bytes, the associated data is aad[0:aad_n], the text data[at:at+n], the tag follows it.

    def encrypt(self, nonce, aad, aad_n, data, at, n, tag_n):
        """Encrypt data[at:at+n] in place and write the tag of `tag_n` bytes (4, 6 … 16) behind it."""
        if not _fits(nonce, aad, aad_n, data, at, n, tag_n):
            raise ValueError("CCM: nonce %d, text %d and tag %d in %d, aad %d" % (len(nonce), n, tag_n, len(data), aad_n))
        self._authenticate(nonce, aad, aad_n, data, at, n, tag_n)
        self._xor_keystream(nonce, data, at, n)
        xor_bytes(self._mac, 0, self._s0, 0, _BLOCK)
        copy_bytes(data, at + n, self._mac, 0, tag_n)

    def decrypt(self, nonce, aad, aad_n, data, at, n, tag_n):
        """Decrypt data[at:at+n] in place. False, with those bytes wiped, unless the tag behind them is right."""
        if not _fits(nonce, aad, aad_n, data, at, n, tag_n):
            return False
        self._xor_keystream(nonce, data, at, n)
        self._authenticate(nonce, aad, aad_n, data, at, n, tag_n)
        mac = self._mac
        xor_bytes(mac, 0, self._s0, 0, _BLOCK)
        difference = 0
        for i in range(tag_n):
            difference |= mac[i] ^ data[at + n + i]
        if difference:
            xor_bytes(data, at, data, at, n)
        return difference == 0

    def mac(self, counter, aad, n):
        """The tag of 4 bytes of `n` bytes of associated data, at most 30, and no text; it stands in what is returned until the
        next call. `counter` is the counter block A0, 16 bytes: 1, the nonce, 0, 0.

        Just what `encrypt` makes of it, in three blocks and few calls: a radio's frames are made and heard all day. (Here as
        in what calls it no function needs more than 11 words of stack: MicroPython takes larger ones from the heap.)
        """
        if len(counter) != _BLOCK or not 0 < n <= min(len(aad), _THREE - 18):
            raise ValueError("CCM: counter %d, aad %d of %d" % (len(counter), n, len(aad)))
        self._blocks_of(counter, aad, n)
        self._cbc.encrypt(self._three, self._three)
        copy_bytes(self._chain, 0, self._three, _THREE - _BLOCK, _BLOCK)
        self._ecb.encrypt(counter, self._mac)
        xor_bytes(self._mac, 0, self._three, _BLOCK if n <= 14 else 2 * _BLOCK, 4)
        return self._mac

    def _blocks_of(self, counter, aad, n):
        chunk = self._three
        copy_bytes(chunk, 0, counter, 0, _BLOCK)
        chunk[0] = _ADATA_4
        xor_bytes(chunk, 0, self._chain, 0, _BLOCK)
        xor_bytes(chunk, _BLOCK, chunk, _BLOCK, 32)  # zeros
        chunk[17] = n
        copy_bytes(chunk, 18, aad, 0, n)

    def _authenticate(self, nonce, aad, aad_n, data, at, n, tag_n):
        # Section 2.2: T into _mac. The chunk is always encrypted whole; what follows the last block is never looked at.
        chunk = self._chunk
        chunk[0] = (64 if aad_n else 0) | (tag_n - 2) // 2 << 3 | 1
        copy_bytes(chunk, 1, nonce, 0, NONCE)
        chunk[14] = n >> 8
        chunk[15] = n & 0xFF
        xor_bytes(chunk, 0, self._chain, 0, _BLOCK)
        fill = _BLOCK
        if aad_n:
            chunk[16] = aad_n >> 8
            chunk[17] = aad_n & 0xFF
            fill = self._feed(aad, 0, aad_n, 18)
        fill = self._feed(data, at, n, fill)
        if fill:
            self._cbc.encrypt(chunk, chunk)
            copy_bytes(self._chain, 0, chunk, _LAST, _BLOCK)
        else:
            fill = _CHUNK
        copy_bytes(self._mac, 0, chunk, fill - _BLOCK, _BLOCK)

    def _feed(self, data, at, n, fill):
        # Put data[at:at+n] behind the `fill` bytes of the chunk, padded to a block. Full chunks are encrypted; the new fill.
        chunk = self._chunk
        while n:
            take = min(n, _CHUNK - fill)
            copy_bytes(chunk, fill, data, at, take)
            at += take
            n -= take
            fill += take
            while fill & 15:
                chunk[fill] = 0
                fill += 1
            if fill == _CHUNK:
                self._cbc.encrypt(chunk, chunk)
                copy_bytes(self._chain, 0, chunk, _LAST, _BLOCK)
                fill = 0
        return fill

    def _xor_keystream(self, nonce, data, at, n):
        # Section 2.3: S1, S2 … onto data[at:at+n], and S0 into _s0.
        chunk = self._chunk
        counters = self._counters
        for i in range(0, _CHUNK, _BLOCK):
            counters[i] = 1
            copy_bytes(counters, i + 1, nonce, 0, NONCE)
        counter = 0
        skip = _BLOCK  # S0 is not for the text
        while True:
            for i in range(14, _CHUNK, _BLOCK):
                counters[i] = counter >> 8
                counters[i + 1] = counter & 0xFF
                counter += 1
            self._ecb.encrypt(counters, chunk)
            if skip:
                copy_bytes(self._s0, 0, chunk, 0, _BLOCK)
            take = min(n, _CHUNK - skip)
            xor_bytes(data, at, chunk, skip, take)
            at += take
            n -= take
            skip = 0
            if not n:
                return


def _fits(nonce, aad, aad_n, data, at, n, tag_n):
    # The byte loops check no bounds, so this does.
    return len(nonce) == NONCE and aad_n <= _AAD_MAX and aad_n <= len(aad) and n <= 0xFFFF and at + n + tag_n <= len(data)


def hmac_sha256(key, data):
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key))
    inner.update(data)
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key))
    outer.update(inner.digest())
    return outer.digest()


def hkdf_sha256(ikm, salt, info, length):
    """HKDF-SHA256 (RFC 5869): `length` bytes, at most 8,160."""
    if not 0 <= length <= 255 * 32:
        raise ValueError("HKDF of %d bytes" % length)
    prk = hmac_sha256(salt or bytes(32), ikm)
    block = okm = b""
    while len(okm) < length:
        block = hmac_sha256(prk, block + info + bytes((len(okm) // 32 + 1,)))
        okm += block
    return okm[:length]


def device_key(fleet_key, device, key_id):
    """The 16-byte key that seals a device's messages, up and down."""
    return _derive(fleet_key, b"device" + struct.pack("<IB", device, key_id))


def rf_key(fleet_key, home_unit, key_id):
    """The 16-byte key of a household's RF frames: the home unit's and its tags'."""
    return _derive(fleet_key, b"rf" + struct.pack("<IB", home_unit, key_id))


def mqtt_password(fleet_key, device):
    """A device's password at the broker, 32 hex digits."""
    return hexlify(_derive(fleet_key, b"mqtt" + struct.pack("<I", device))).decode()


def _derive(fleet_key, info):
    if len(fleet_key) != FLEET_KEY:
        raise ValueError("fleet key of %d bytes, expected %d" % (len(fleet_key), FLEET_KEY))
    return hkdf_sha256(fleet_key, b"homeward", info, KEY)
