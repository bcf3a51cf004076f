"""How fast the bridge is, without a broker: records ingested and facts folded a second on one core, and the delay of one receipt.

`python -m bridge.bench` prints it; `bench()` returns it. Measures; asserts nothing.
"""

import statistics
import tempfile
import time
from pathlib import Path

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.findings import Findings
from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store
from firmware.core import ident, message, record

_START_S = 1_780_290_000  # 2026-06-01T05:00:00Z
_KEY = bytes(range(32))
_BATCH = 100  # messages
_SCHEME = {
    "timezone": "Europe/London",
    "wearers": [
        {
            "id": "w1",
            "name": "W",
            "tag": "tag-000001",
            "home": {"lat": 50.7154, "lon": -2.4367},
            "from": "2026-06-01T05:00:00Z",
            "conditions": [
                {"kind": "curfew", "name": "Nights", "from": "19:00", "until": "07:00"},
                {"kind": "exclusion", "name": "Circle", "circle": {"lat": 50.72, "lon": -2.43, "radius_m": 100}},
                {"kind": "exclusion", "name": "Polygon", "polygon": [[50.71, -2.44], [50.72, -2.44], [50.72, -2.42]]},
            ],
        }
    ],
}


def bench(records: int = 50_000) -> list[dict[str, object]]:
    """[{name, value, unit}] on a store in a temporary folder."""
    per_message = 32
    messages = _messages(records, per_message)
    records = len(messages) * per_message
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store(Path(folder) / "store.db")
        apply_scheme(engine, Scheme.model_validate(_SCHEME))
        ingest = Ingest(engine, Keyring(_KEY), clock="records")
        began = time.perf_counter()
        for at in range(0, len(messages), _BATCH):
            ingest.handle(messages[at : at + _BATCH])
        ingested_s = time.perf_counter() - began
        began = time.perf_counter()
        findings = Findings(engine, clock="records")
        while findings.run():
            pass
        folded_s = time.perf_counter() - began
        delays = []
        for single in _messages(200, 1, first=records + 1):
            began = time.perf_counter()
            ingest.handle([single])
            delays.append(time.perf_counter() - began)
        engine.dispose()
    return [
        {"name": "bridge: records ingested", "value": round(records / ingested_s), "unit": "records/s"},
        {"name": "bridge: records judged by the rules", "value": round(records / folded_s), "unit": "records/s"},
        {"name": "bridge: one message to its receipt, median", "value": round(statistics.median(delays) * 1e3, 3), "unit": "ms"},
    ]


def _messages(records: int, per_message: int, first: int = 1) -> list[Inbound]:
    tag = ident.device_id(ident.TAG, 1)
    keyring = Keyring(_KEY)
    raw = bytearray(record.SIZE)
    made = []
    for at in range(first, first + records - per_message + 1, per_message):
        raws = []
        for seq in range(at, at + per_message):
            lat_e7 = 507_154_000 + seq * 37 % 60_000
            record.pack_fix(raw, seq, _START_S + seq, record.MODE_GPS, 0, lat_e7, -24_367_000, 100, 50, 90, 9, 8, 80)
            raws.append(bytes(raw))
        sealed = keyring.seal(message.RECORDS, tag, 1, at, per_message, b"".join(raws))
        made.append(Inbound(ident.topic("0", "tag-000001", ident.UP), sealed))
    return made


if __name__ == "__main__":
    for row in bench():
        print(f"{row['name']:<45} {row['value']:>10} {row['unit']}")
