"""The functions of `_geo_viper` as bytecode, for a MicroPython that cannot make or load machine code.

Made from that file's own source, which must lie beside this one as `.py`: the same text with the decorators taken off, so
there is no second copy to keep in step. Some 20 times slower.
"""


def ptr32(buffer):
    return buffer


with open(__file__.rsplit("/", 1)[0] + "/_geo_viper.py") as _file:
    _source = _file.read()
exec(_source.replace("@micropython.viper\n", ""), globals())
del _source, _file
