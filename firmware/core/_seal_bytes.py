"""The byte loops of `seal` where no native code can be emitted. See `_seal_viper`."""


def copy_bytes(to, to_at, source, at, n):
    for i in range(n):
        to[to_at + i] = source[at + i]


def xor_bytes(to, to_at, source, at, n):
    for i in range(n):
        to[to_at + i] ^= source[at + i]
