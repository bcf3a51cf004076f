"""The functions of `_zones_viper` as bytecode, for a MicroPython that cannot make or load machine code.

Made from that file's own source, which must lie beside this one as `.py`: the same text with the decorators taken off, so
there is no second copy to keep in step. Some 20 times slower.
"""

from array import array


def ptr32(buffer):
    return buffer


with open(__file__.rsplit("/", 1)[0] + "/_zones_viper.py") as _file:
    _source = _file.read()
exec(_source.replace("@micropython.viper\n", ""), globals())
del _source, _file


def buffers(words):
    import uctypes  # a memoryview of an array cannot be cast to bytes here

    buf = array("i", bytes(4 * words))
    return uctypes.bytearray_at(uctypes.addressof(buf), 4 * words), buf
