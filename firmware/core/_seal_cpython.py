"""CPython's stand-ins for what `seal` takes from MicroPython; never sent to a device.

`aes` has the interface of `cryptolib.aes` for encryption in ECB (1) and CBC (2) over the `cryptography` package.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:  # noqa: N801
    def __init__(self, key, mode, iv=None, /):
        self._encryptor = Cipher(algorithms.AES(bytes(key)), modes.ECB() if mode == 1 else modes.CBC(bytes(iv or ()))).encryptor()

    def encrypt(self, in_buf, out_buf, /):
        out_buf[: len(in_buf)] = self._encryptor.update(bytes(in_buf))


def copy_bytes(to, to_at, source, at, n):
    if n:
        to[to_at : to_at + n] = bytes(source[at : at + n])


def xor_bytes(to, to_at, source, at, n):
    if not n:
        return  # as on the device, where a read-only buffer is then fine
    both = int.from_bytes(to[to_at : to_at + n], "little") ^ int.from_bytes(source[at : at + n], "little")
    to[to_at : to_at + n] = both.to_bytes(n, "little")
