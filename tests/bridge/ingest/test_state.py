"""State messages say which firmware a device runs; anything may be in them, and none of it is evidence."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from bridge.counts import Counts
from bridge.ingest.state import SIZE_MAX, States, parse_state
from bridge.store import open_store
from bridge.store.schema import device

UP = {"online": True, "version": "0.1.0", "build": "0123456789ab", "board": "tag_t_a7670_l76k"}
TOPIC = "hw/s0/tag-000001/state"


@pytest.fixture
def engine(tmp_path: Path):
    engine = open_store(tmp_path / "store.db")
    yield engine
    engine.dispose()


def know(engine, name: str = "tag-000001", device_id: int = 0x01000001) -> None:
    with engine.begin() as connection:
        connection.execute(insert(device).values(device_id=device_id, name=name, kind="tag", shard="s0"))


def row(engine):
    with engine.connect() as connection:
        return connection.execute(select(device)).one()


def test_what_runs_on_a_device_is_kept_and_a_last_will_only_says_that_it_is_gone(engine):
    know(engine)
    states = States(engine, Counts())
    states.keep({TOPIC: json.dumps(UP).encode()})
    assert (row(engine).online, row(engine).version, row(engine).build, row(engine).board) == tuple(UP.values())
    states.keep({TOPIC: b'{"online":false}'})
    assert (row(engine).online, row(engine).build) == (False, UP["build"])


def test_a_device_that_connects_before_its_first_record_is_not_forgotten(engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bridge.ingest.state.AGAIN_S", 0.0)
    states = States(engine, Counts())
    states.keep({TOPIC: json.dumps(UP).encode()})
    know(engine)
    states.keep({})
    assert row(engine).build == UP["build"]


NONE = [
    b"", b"null", b"[]", b"{}", b"\xff", b"[" * 500,
    b'{"online":1}', b'{"online":true,"build":7}', b'{"online":true,"board":"a\\u0000b"}',
    b'{"online":true}' + b" " * SIZE_MAX, b'{"online":true,"version":"' + b"x" * 65 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("payload", NONE)
def test_what_has_no_such_form_is_refused_and_counted(engine, payload: bytes):
    know(engine)
    counts = Counts()
    States(engine, counts).keep({TOPIC: payload})
    assert counts.get("refused", "state") == 1
    assert row(engine).online is None


@given(st.text(max_size=60), st.binary(max_size=80))
def test_nothing_that_comes_raises(topic: str, payload: bytes):
    fields = parse_state(payload)
    assert fields is None or isinstance(fields["online"], bool)
    States(None, Counts()).keep({topic: b"no state"})  # type: ignore[arg-type]: refused before the store is asked
