"""Who may connect to the broker, and which topics are theirs. The one home of the access rules, for every broker.

A device may publish only under its own name and hear only its own `down`; the bridge hears every device and publishes only
`down`; a dock carries both ways for the devices on its cables. Whoever is not listed is refused. Patterns are MQTT topic filters
(`+` one level, `#` the rest).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware.core.ident import DOWN, STATE, UP, parse_device_name, topic

from ..errors import ConfigError

BRIDGE = "bridge"

# What a topic level may hold in the two brokers' files without quoting: no blanks, no control characters, none of the
# characters that NATS takes for wildcards or separators.
_FORBIDDEN = set(' \t\r\n"\\*>.') | {chr(c) for c in range(32)}


@dataclass(frozen=True)
class User:
    """One login. The password never appears in a log or a repr; where certificates say who somebody is it is not used."""

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def device_user(shard: str, name: str, password: str) -> User:
    """A tag's or home unit's login: its own topics and no others. ConfigError when the shard or the name is none."""
    try:
        parse_device_name(name)
    except ValueError:
        raise ConfigError("broker users", "device name", name, "a name such as tag-000001") from None
    check_level("shard", shard)
    return User(name, password, (topic(shard, name, UP), topic(shard, name, STATE)), (topic(shard, name, DOWN),))


def bridge_user(password: str) -> User:
    """The bridge's login: every device's `up` and `state`, and the right to send `down`."""
    return User(BRIDGE, password, (topic("+", "+", DOWN),), (topic("+", "+", UP), topic("+", "+", STATE)))


def dock_user(name: str, password: str) -> User:
    """The login of a dock, which carries for any device on its cables: every `up`, and every `down`. All that is sealed: it can
    neither read nor forge what it carries, and hears of no device whether it is online."""
    check_level("name", name)
    return User(name, password, (topic("+", "+", UP),), (topic("+", "+", DOWN),))


def check_level(field_name: str, level: str) -> None:
    """ConfigError unless this is one plain topic level, safe in both brokers' configuration files."""
    if not level or set(level) & (_FORBIDDEN | set("/+#$")):
        raise ConfigError("broker users", field_name, level, "one topic level of letters, digits, - and _")


def check_users(users: Sequence[User], passwords: bool = True) -> None:
    """ConfigError unless every name is plain and unique, every password usable (where they are asked for) and every pattern
    a topic filter."""
    seen: set[str] = set()
    for user in users:
        check_level("name", user.name)
        if ":" in user.name or user.name in seen:
            raise ConfigError("broker users", "name", user.name, "a name without ':' that no other user has")
        seen.add(user.name)
        if passwords and (not user.password or not user.password.isprintable() or not user.password.isascii()):
            raise ConfigError("broker users", f"password of {user.name}", "(hidden)", "printable ASCII, at least one character")
        for pattern in user.publish + user.subscribe:
            levels = pattern.split("/")
            for place, level in enumerate(levels):
                if level == "+" or (level == "#" and place == len(levels) - 1):
                    continue
                check_level(f"topic pattern of {user.name}", level)
