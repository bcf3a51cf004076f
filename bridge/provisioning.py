"""What a device is told once, on the bench, and how it is written: for `homeward provision`, and for the simulator's devices.

    values = settings(name, board, place, keys, credentials)     what its settings store holds, by key
    write(store, values)                                         the board's name last: without it a device does not start
    give(store, flash, given)                                    lease and configuration, so that it needs no order for them

`store` and `flash` are the device's own, or stand for them over a cable: `firmware.boards.Store` and a block device of
`firmware.core.blockdev`. Secrets are in no repr, and nothing here logs.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge import keys as derivation
from bridge.errors import ConfigError
from firmware.core import ident, message
from firmware.core.lease import Lease
from firmware.core.slots import Slots

KEY_ID = 1  # of a device's first sealing key
RF_KEY_ID = 1
VALUE_MAX = 1024  # bytes of one value: what the firmware reads of the key slot and of each certificate
PARTNERS_MAX = 16  # slots of a home unit (firmware.core.frame)
BOARDS = {"tag": "tag_t_a7670_l76k", "hmu": "hmu_esp32_poe"}  # the ones that the project is built on
# A home unit's ways to the broker that each board has, the usual one first: what its `Board.link` knows.
LINKS = {"hmu_esp32_poe": ("ethernet", "wifi"), "hmu_t_a7670": ("cellular", "wifi")}
KEY_SLOT = "provision"
BOARD = "board"  # which folder of firmware/boards/ it is; firmware/main.py starts nothing without it
CERTIFICATES = ("ca", "cert", "cert_key")
# What a life of the device leaves in its settings store: forgotten when the board becomes another device.
LIFE = ("key", "lease", "order", "crash", "boots", "rf")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")  # a name or an address


class Store(Protocol):
    """A device's settings store."""

    def blob(self, key: str, size: int) -> Any: ...
    def keep_blob(self, key: str, value: bytes) -> None: ...


@dataclass(frozen=True)
class Keys:
    """A device's own, derived from the fleet key. `rf_key` is its household's."""

    key_id: int
    key: bytes = field(repr=False)
    rf_key: bytes = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """For TLS, in DER: the authority's certificate, the device's own, and its key."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Place:
    """Where a device stands: its broker (host, port), its shard, and whom it speaks to by radio.

    `partners`: ids; of a tag its home unit, of a home unit its tags in the order of their slots. `slot`: a tag's place among
    them. `links` (names, in the order of preference), `wifi` (ssid, passphrase) and `apn` (a cellular network's access point):
    a home unit's ways to the broker.
    """

    broker: tuple[str, int]
    shard: str = "0"
    partners: tuple[int, ...] = ()
    slot: int = 0
    links: tuple[str, ...] = ()
    wifi: tuple[str, str] | None = field(default=None, repr=False)
    apn: str | None = None

    def told(self) -> dict[str, Any]:
        """What of it is no secret, as the inventory remembers it."""
        return {
            "broker": list(self.broker),
            "shard": self.shard,
            "partners": list(self.partners),
            "slot": self.slot,
            "links": list(self.links),
            "apn": self.apn,
        }


def device_keys(fleet_key: bytes, name: str, household: str | None, key_id: int = KEY_ID) -> Keys:
    """Of a device that belongs to a home unit, or to none."""
    device = ident.parse_device_name(name)
    home = ident.parse_device_name(household) if household else device
    return Keys(
        key_id,
        derivation.device_key(fleet_key, device, key_id),
        derivation.rf_key(fleet_key, home, RF_KEY_ID),
        derivation.broker_password(fleet_key, device),
    )


def settings(
    name: str, board: str, place: Place, keys: Keys, credentials: Credentials | None, policy: Mapping[str, int] | None = None
) -> dict[str, bytes]:
    """Key → value of the device's settings store, in the order to write them. ConfigError when the device would not read it.

    `policy`: settings that hold without a configuration; one that comes stands over them.
    """
    host, port = place.broker
    if not _HOST.fullmatch(host) or not 1 <= port <= 65535:
        raise ConfigError(name, "broker", f"{host}:{port}", "a host name or an address, and a port of 1 to 65535")
    if len(place.partners) > PARTNERS_MAX:
        raise ConfigError(name, "partners", len(place.partners), f"at most {PARTNERS_MAX}: a home unit has no more places")
    for link in place.links:
        if link not in LINKS.get(board, place.links):
            raise ConfigError(name, "links", link, f"some of {', '.join(LINKS[board])}: a {board} has no other")
    slot: dict[str, Any] = {
        "device": ident.parse_device_name(name),
        "shard": place.shard,
        "broker": [host, port],
        "password": keys.password,
        "key_id": keys.key_id,
        "key": keys.key.hex(),
        "rf_key": keys.rf_key.hex(),
        "partners": list(place.partners),
        "slot": place.slot,
        "policy": dict(policy or {}),
    }
    if place.links:
        slot["links"] = list(place.links)
    if "wifi" in place.links and place.wifi:
        slot["wifi"] = list(place.wifi)
    if "cellular" in place.links and place.apn:
        slot["cellular"] = [place.apn]
    values: dict[str, bytes] = {}
    if credentials is not None:
        values |= zip(CERTIFICATES, (credentials.ca, credentials.certificate, credentials.key), strict=True)
    values[KEY_SLOT] = json.dumps(slot, separators=(",", ":")).encode()
    values[BOARD] = board.encode()
    for key, value in values.items():
        if len(value) > VALUE_MAX:
            raise ConfigError(name, key, f"{len(value)} bytes", f"at most {VALUE_MAX}: a device reads no more")
    return values


def write(store: Store, values: Mapping[str, bytes]) -> None:
    """Into a settings store, in that order; each value is there whole or not at all."""
    for key, value in values.items():
        store.keep_blob(key, value)


def give(store: Store, flash: Any, given: Mapping[int, tuple[int, bytes]]) -> None:
    """Carry out a lease and a configuration by hand. Kind (message.ORDER_*) → (number, payload). OSError when one does not
    stand afterwards."""
    lease = given.get(message.ORDER_LEASE)
    if lease is not None and Lease(store).take(*lease) != message.DONE:
        raise OSError("the lease could not be written")
    if order := given.get(message.ORDER_CONFIG):
        number, config = order
        slots = Slots(flash)
        if not (slots.mount() and slots.begin(len(config)) and slots.write(0, config) and slots.keep(number, len(config))):
            raise OSError("the configuration could not be written")
