"""What a device is told once, on the bench: who it is, its keys, its broker, its partners. One JSON object in the key slot.

    device      its 32-bit id                    shard       its part of the topic tree
    broker      [host, port]                     password    for the broker; the user is the device's name
    key, key_id, rf_key                          hex; the sealing key, its number, and the household's radio key
    partners    device ids: of a tag its home unit, of a home unit its tags; a tag's slot is its place in that list
    slot        a tag's place in its home unit's list
    policy      settings that differ from `settings`

The object never leaves the device again: nothing prints it, and no message carries any of it.
"""

import json
from binascii import unhexlify

from . import ident
from .settings import Settings


class ProvisionError(Exception):
    """The key slot is empty or holds something else; the text names the field, never its value."""


class Provision:
    """Parsed from the bytes of the slot. ProvisionError names the field that is missing or wrong."""

    store = None  # of the board: holds "ca", "cert" and "cert_key" for TLS

    def __init__(self, blob):
        try:
            fields = json.loads(bytes(blob))
        except ValueError:
            raise ProvisionError("not provisioned: the key slot holds no JSON") from None
        self.device = _take(fields, "device", int)
        try:
            self.name = ident.device_name(self.device)
        except ValueError:
            raise ProvisionError("device: no id of a tag or home unit") from None
        self.shard = _take(fields, "shard", str)
        broker = _take(fields, "broker", list)
        if len(broker) != 2 or not isinstance(broker[0], str) or not _is_number(broker[1], 1, 65535):
            raise ProvisionError("broker: expected [host, port]")
        self.host, self.port = broker
        self.password = _take(fields, "password", str)
        self.key_id = _number(fields, "key_id", 255)
        self.key = _key(fields, "key")
        self.rf_key = _key(fields, "rf_key")
        self.partners = _take(fields, "partners", list)
        for partner in self.partners:
            if not _is_number(partner, 1, 0xFFFFFFFF) or len(self.partners) > 16:
                raise ProvisionError("partners: expected up to 16 device ids")
        self.slot = _number(fields, "slot", 15)
        self.policy = _take(fields, "policy", dict) if fields.get("policy") else {}
        self.settings = Settings(self.policy)


def _take(fields, name, kind):
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, kind):
        raise ProvisionError("%s: missing, or not a %s" % (name, kind.__name__))
    return value


def _is_number(value, low, high):
    return isinstance(value, int) and low <= value <= high


def _number(fields, name, high):
    value = _take(fields, name, int)
    if not 0 <= value <= high:
        raise ProvisionError("%s: expected 0 to %d" % (name, high))
    return value


def _key(fields, name):
    try:
        key = unhexlify(_take(fields, name, str))
    except ValueError:
        key = b""
    if len(key) != 16:
        raise ProvisionError("%s: expected 16 bytes in hex" % name)
    return key
