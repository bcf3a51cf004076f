"""The settings that a tag and a home unit run on.

A device runs on the defaults; provisioning and a sealed configuration set others. A value out of range is refused whole, with
the name of the setting, so that a device never runs on half a configuration. Names, defaults and ranges are in `limits`.
"""


class SettingsError(Exception):
    """A setting that does not exist, a value out of its range, or two that do not go together."""


class Settings:
    """Attributes named as in `limits`. `values` overrides defaults."""

    def __init__(self, values):
        self.replace(values)

    def replace(self, values):
        """Defaults, and `values` over them. SettingsError leaves everything as it was."""
        from .limits import AT_MOST, TABLE

        def get(name):
            return values.get(name, TABLE[TABLE.index(name) + 1])

        known = 0
        for i in range(0, len(TABLE), 4):
            name, _, low, high = TABLE[i : i + 4]
            if name in values:
                known += 1
                if not isinstance(values[name], int) or not low <= values[name] <= high:
                    raise SettingsError("%s: got %r, expected %d to %d" % (name, values[name], low, high))
        if known < len(values):
            for name in values:
                if name not in TABLE:
                    raise SettingsError("%s: no such setting" % name)
        for less, factor, more in AT_MOST:
            smaller, larger = get(less), get(more)
            if factor * smaller > larger:
                raise SettingsError("%s: got %d, too much for %s %d" % (less, smaller, more, larger))
        for i in range(0, len(TABLE), 4):
            setattr(self, str(TABLE[i]), get(TABLE[i]))

    def __getattr__(self, name) -> int:
        raise AttributeError(name)  # the attributes are set by name; this says of which type they are


def ranges():
    """{name: (default, lowest, highest)}, for documentation and for those who write configurations."""
    from .limits import TABLE

    return {str(TABLE[i]): TABLE[i + 1 : i + 4] for i in range(0, len(TABLE), 4)}
