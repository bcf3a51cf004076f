"""`homeward devices` tells what the bridge knows of each device."""

import json
from pathlib import Path

from sqlalchemy import insert

from bridge.counts import Counts
from bridge.ingest.state import States
from bridge.store import open_store
from bridge.store.schema import device
from tests.tools.commands import homeward, refused


def test_each_device_is_listed_with_its_firmware(tmp_path: Path):
    engine = open_store(tmp_path / "store.db")
    with engine.begin() as connection:
        for number, kind in ((0x01000001, "tag"), (0x02000001, "hmu")):
            values = {"device_id": number, "name": f"{kind}-000001", "kind": kind, "shard": "s0", "heard_ms": 1_780_000_000_000}
            connection.execute(insert(device).values(**values))
    said = {"online": True, "version": "0.1.0", "build": "0123456789ab", "board": "tag_t_a7670_l76k"}
    States(engine, Counts()).keep({"hw/s0/tag-000001/state": json.dumps(said).encode()})
    engine.dispose()
    done = homeward("devices", "--data", ".", "--json", cwd=tmp_path)
    unit, tag = json.loads(done.stdout)
    assert (tag["device"], tag["online"], tag["build"], tag["board"]) == ("tag-000001", True, said["build"], said["board"])
    assert tag["heard"] == "2026-05-28 20:26:40Z"
    assert (unit["online"], unit["build"], unit["records"], unit["wearer"]) == (None, None, 0, None)
    table = homeward("devices", cwd=tmp_path).stdout
    assert "tag_t_a7670_l76k" in table and "0.1.0 0123456789ab" in table


def test_a_folder_without_a_store_is_told(tmp_path: Path):
    assert "--data" in refused("devices", "--data", "nowhere", cwd=tmp_path)
