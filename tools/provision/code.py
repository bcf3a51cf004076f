"""What a label's QR code says, and how it is read again: a device's name with a check character, as somebody may also type it.

    HW:TAG-000007:C     capitals, digits, - and : alone, which QR codes pack two to eleven bits (ISO/IEC 18004, alphanumeric)

The check character is that of ISO/IEC 7064, MOD 37,36, over the name without its hyphen: it finds every wrong character, and
nearly every two that were exchanged. A label says nothing of any wearer.
"""

from firmware.core import ident

PREFIX = "HW"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_M = len(_ALPHABET)


def encode(name: str) -> str:
    """ValueError unless it is a device's name."""
    text = ident.device_name(ident.parse_device_name(name)).upper()
    return f"{PREFIX}:{text}:{check_character(text.replace('-', ''))}"


def decode(text: str) -> str:
    """The name: of a label as it was scanned or typed (capitals or not, with or without HW), or of a name itself. ValueError says
    what is wrong with it."""
    parts = text.strip().upper().split(":")
    if len(parts) > 1 and parts[0] == PREFIX:
        del parts[0]
    name = parts[0].lower()
    if len(parts) > 2:
        raise ValueError(f"got {text!r}, expected {PREFIX}:TAG-000007:C, as a label has it")
    try:
        ident.parse_device_name(name)
    except ValueError:
        raise ValueError(f"got {text!r}, expected a device's name such as tag-000007") from None
    if len(parts) == 2 and parts[1] != check_character(parts[0].replace("-", "")):
        raise ValueError(f"got {text!r}, expected another check character: it was misread or mistyped")
    return name


def check_character(text: str) -> str:
    """Of capitals and digits. ValueError for anything else."""
    product = _M
    for character in text:
        total = (product + _ALPHABET.index(character)) % _M or _M
        product = total * 2 % (_M + 1)
    return _ALPHABET[(_M + 1 - product) % _M]
