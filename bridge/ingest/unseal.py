"""From bytes under a topic to authentic records, or to the reason why not. Any bytes at all are fine; nothing raises.

The topic is what the broker vouches for (a device publishes only under its own name), the seal is what the device vouches for.
Both must name the same device; of a relayed message, the home unit must be who the topic says and the seal is the tag's own.
"""

from typing import NamedTuple

from bridge.keys import Keyring
from firmware.core import ident, message, record


class Opened(NamedTuple):
    """An authentic RECORDS message and the way that it took."""

    device_id: int
    key_id: int
    first_seq: int
    raws: list[bytes]  # 32 bytes each, intact
    broken: int  # records in it whose CRC was wrong
    shard: str
    carrier: str  # the name under whose topic it came: the receipt goes there
    relayed_by: int | None
    relay_rssi: int | None
    relay_token: int  # the home unit's own number of the relayed message; 0: none


class Refused(NamedTuple):
    """Why a message was not taken, in a word. It is acknowledged to the broker all the same, or it would come for ever."""

    reason: str


def unseal(keyring: Keyring, topic: str, payload: bytes) -> Opened | Refused:
    try:
        shard, name, leaf = ident.parse_topic(topic)
    except ValueError:
        return Refused("topic")
    if leaf != ident.UP:
        return Refused("topic")
    header = message.parse_header(payload)
    if header is None:
        return Refused("envelope")
    if not _is_named(header[3], name):
        return Refused("device")
    relayed_by = relay_rssi = None
    relay_token = 0
    if header[0] == message.RELAY_UP:
        relayed_by = header[3]
        relay_token = header[4]
        relay_rssi = header[2] - 256 if header[2] > 127 else header[2]
        if ident.device_class(relayed_by) != ident.HMU:
            return Refused("relay")
        payload = payload[message.HEADER :]
        header = message.parse_header(payload)
        if header is None:
            return Refused("envelope")
        if ident.device_class(header[3]) != ident.TAG or not header[3] & ident.SERIAL_MAX:
            return Refused("device")
    kind, key_id, count, device_id, first_seq = header
    if kind != message.RECORDS or not 1 <= count <= message.RECORDS_MAX:
        return Refused("envelope")
    if len(payload) != message.sealed_length(payload):
        return Refused("length")
    plain = keyring.open(payload)
    if plain is None:
        return Refused("seal")
    raws = [plain[at : at + record.SIZE] for at in range(0, len(plain), record.SIZE)]
    intact = [raw for raw in raws if record.is_intact(raw) and record.seq_of(raw)]
    broken = len(raws) - len(intact)
    return Opened(device_id, key_id, first_seq, intact, broken, shard, name, relayed_by, relay_rssi, relay_token)


def _is_named(device_id: int, name: str) -> bool:
    try:
        return ident.device_name(device_id) == name
    except ValueError:
        return False
