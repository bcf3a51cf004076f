"""One error for anything a person wrote down wrong, in the words that let them mend it."""


class ConfigError(Exception):
    """Bad input from a person: names the file, the field, the value found and what was expected."""

    def __init__(self, file: object, field: str, value: object, expected: str) -> None:
        self.file = str(file)
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{self.file}: {field}: got {_short(value)}, expected {expected}")


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    # Of a long path the end says most, of anything else the beginning.
    return text if len(text) <= limit else text[: limit // 2] + "…" + text[1 - limit + limit // 2 :]
