"""Opening a store: made, used, or refused with nothing touched."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from bridge.errors import ConfigError
from bridge.store import open_store, schema
from bridge.store.opening import REVISION, sqlite_engine


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    config = Config()
    config.set_main_option("script_location", "bridge/store/migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_new_store_is_private_durable_and_whole(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".new")]


def test_a_simulation_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db", is_simulated=True).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    with open_store(tmp_path / "store.db").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_what_is_in_it_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db").begin() as connection:
        connection.execute(insert(schema.setting).values(key="timezone", value="UTC"))
    for reader in (open_store(tmp_path / "store.db"), open_store(tmp_path / "store.db", read_only=True)):
        with reader.connect() as connection:
            assert connection.execute(select(schema.setting.c.value)).scalar() == "UTC"


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db")
    with open_store(tmp_path / "store.db", read_only=True).begin() as connection, pytest.raises(OperationalError):
        connection.execute(insert(schema.setting).values(key="timezone", value="UTC"))


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with open_store(tmp_path / "store.db").connect() as connection:
        assert connection.execute(select(schema.record)).all() == []


@pytest.mark.parametrize("simulated", [False, True])
def test_a_store_left_by_kill_9_opens(tmp_path: Path, simulated: bool) -> None:
    script = (
        "import os, sys; from pathlib import Path; from sqlalchemy import insert; from bridge.store import open_store, schema\n"
        f"e = open_store(Path(sys.argv[1]), is_simulated={simulated})\n"
        "with e.begin() as c: c.execute(insert(schema.setting).values(key='a', value='1'))\n"
        "c = e.connect(); t = c.begin(); c.execute(insert(schema.setting).values(key='b', value='2')); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path / "store.db")], timeout=60).returncode == -9
    for read_only in (True, False):
        with open_store(tmp_path / "store.db", read_only=read_only).connect() as connection:
            assert connection.execute(select(schema.setting.c.key)).scalars().all() == ["a"]


def refuse(path: Path, message: str, **how: bool) -> None:
    before = contents(path.parent)
    with pytest.raises(ConfigError, match=message) as refused:
        open_store(path, **how)
    assert str(path) in str(refused.value) and ", expected " in str(refused.value)
    assert contents(path.parent) == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary " * 50)
    refuse(tmp_path / "notes.txt", "a Homeward store")


def test_anothers_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "cookies.db") as connection:
        connection.execute("CREATE TABLE cookie (id)")
    connection.close()
    refuse(tmp_path / "cookies.db", "application id: got '0x00000000', expected 0x486f6d65")


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_a_corrupt_store_is_refused(tmp_path: Path, damage: str) -> None:
    engine = open_store(tmp_path / "made.db")
    with engine.begin() as connection:
        connection.execute(insert(schema.setting), [{"key": f"k{i}", "value": "v" * 200} for i in range(500)])
    engine.dispose()
    folder = tmp_path / "damaged"
    folder.mkdir()
    path = folder / "store.db"
    shutil.copy(tmp_path / "made.db", path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2)
        else:
            file.seek(4096 * 3)
            file.write(bytes(8192) if damage == "zeros" else bytes((i * 37 + 11) % 256 for i in range(8192)))
    refuse(path, "store: got .*, expected a sound database")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    refuse(tmp_path / "store.db", f"revision: got '9999', expected {REVISION} or older; it was written by a newer Homeward")


def test_an_older_store_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    with engine.begin() as connection:
        connection.execute(insert(schema.setting).values(key="timezone", value="UTC"))
        for table in ("lost", "declined", "orders", "inventory", "pairing", "bench_log", "release"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        added = ["device.key_id", "device.relayed_by", "wear_period.home_radius_m"]
        added += [f"device.{name}" for name in ("online", "version", "build", "board", "state_ms")]
        for column in added:
            table, _, name = column.partition(".")
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    refuse(tmp_path / "store.db", "brings it up to date when it starts", read_only=True)
    with open_store(tmp_path / "store.db").connect() as connection:
        assert connection.execute(select(schema.setting.c.value)).scalar() == "UTC"
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_reader_of_no_store_is_told_who_makes_it(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    refuse(tmp_path / "store.db", "no such file.*the bridge makes it", read_only=True)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense://x", "postgresql+nothing://u:secret@127.0.0.1/x"])
def test_a_url_that_leads_nowhere_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder that exists"):
        open_store(tmp_path / "nowhere" / "store.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db")
    os.chmod(tmp_path / "store.db", 0)
    with pytest.raises(ConfigError, match="a file that can be read"):
        open_store(tmp_path / "store.db")


def test_a_path_may_hold_anything(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c#d%20é"
    folder.mkdir()
    engine = open_store(folder / "store.db")
    with engine.connect() as connection:
        assert connection.execute(select(schema.record)).all() == []
    assert (folder / "store.db").exists()
    assert sqlite_engine(folder / "store.db") is not None
