"""Integers and buffers that object to what viper would do otherwise on a microcontroller: leave 32 bits, shift by more than 31,
read a negative number (where viper has 64 bits it comes out of a buffer unsigned; `Words` gives it so)."""


class Checked(int):
    """An integer that objects to leaving 32 bits."""

    LOW, HIGH = -(2**31), 2**31 - 1


def _checked(name):
    plain = getattr(int, name)

    def operate(self, *others):
        if "shift" in name:
            by = int(self if name.startswith("__r") and name != "__rshift__" else others[0])
            assert 0 <= by < 32, f"shifts by {by}, which processors disagree about"
        result = plain(self, *others)
        if type(result) is not int:
            return result
        assert Checked.LOW <= result <= Checked.HIGH, f"{name}{(int(self), *map(int, others))} leaves 32 bits"
        return Checked(result)

    return operate


for _name in ("add", "sub", "mul", "floordiv", "mod", "lshift", "rshift", "and", "or", "xor"):
    for _each in (f"__{_name}__", f"__r{_name}__"):
        setattr(Checked, _each, _checked(_each))
Checked.__neg__ = _checked("__neg__")


class Words(list):
    """Signed 32-bit words as a microcontroller's viper sees them."""

    def __init__(self, values):
        super().__init__(map(int, values))

    of = Checked

    def __getitem__(self, index):  # type: ignore[override]
        assert 0 <= index < len(self), f"reads word {index} of {len(self)}"
        return Checked(super().__getitem__(index))

    def __setitem__(self, index, value):
        assert 0 <= index < len(self) and Checked.LOW <= value <= Checked.HIGH, f"writes {value} to word {index} of {len(self)}"
        super().__setitem__(index, int(value))
