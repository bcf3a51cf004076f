"""Who a device is, and where it speaks: device ids, their names, and the MQTT topics. The one home of all three.

A device id is 32 bits: the top byte is the class (1 tag, 2 home unit), the low 24 bits the serial number on its label.
The name is what people and brokers see: `tag-000001`, `hmu-000013`. On CPython and MicroPython.
"""

from .port import const

TAG = const(1)
HMU = const(2)
SERIAL_MAX = const(0xFFFFFF)

UP = "up"  # device to bridge, sealed
DOWN = "down"  # bridge to device, sealed
STATE = "state"  # retained; the last will says "offline"

_CLASSES = {TAG: "tag", HMU: "hmu"}


def device_id(device_class, serial):
    """The 32-bit id. ValueError when the class is unknown or the serial does not fit 24 bits (serials start at 1)."""
    if device_class not in _CLASSES or not 1 <= serial <= SERIAL_MAX:
        raise ValueError("device class %r serial %r" % (device_class, serial))
    return device_class << 24 | serial


def device_class(device):
    """TAG or HMU, or another number for an id that is nobody's."""
    return device >> 24


def device_name(device):
    """`tag-000001` for 0x01000001. ValueError for an id of no known class."""
    name = _CLASSES.get(device >> 24)
    if name is None or not device & SERIAL_MAX:
        raise ValueError("device id %08x" % device)
    return "%s-%06d" % (name, device & SERIAL_MAX)


def parse_device_name(name):
    """The id of a name. ValueError unless it is exactly what `device_name` gives."""
    for number, prefix in _CLASSES.items():
        digits = name[len(prefix) + 1 :]
        if name.startswith(prefix + "-") and 6 <= len(digits) <= 8 and all("0" <= c <= "9" for c in digits):
            device = device_id(number, int(digits))
            if device_name(device) == name:
                return device
    raise ValueError("device name %r" % (name,))


def topic(shard, name, leaf):
    """`hw/<shard>/<name>/<leaf>`: a device may publish and subscribe only under its own name (broker ACL)."""
    return "hw/%s/%s/%s" % (shard, name, leaf)


def parse_topic(text):
    """(shard, name, leaf) of a topic of ours. ValueError for any other."""
    parts = text.split("/")
    if len(parts) != 4 or parts[0] != "hw" or not parts[1] or parts[3] not in (UP, DOWN, STATE):
        raise ValueError("topic %r" % (text,))
    parse_device_name(parts[2])
    return parts[1], parts[2], parts[3]
