"""Records of one device out of a bridge's store, as they lie in it."""

from sqlalchemy import Engine, func, select

from bridge.store import schema
from firmware.core.record import Record


def records(engine: Engine, device_id: int, after_seq: int = 0) -> list[Record]:
    """In order of sequence, those behind `after_seq`."""
    table = schema.record.c
    statement = select(table.raw).where(table.device_id == device_id, table.seq > after_seq).order_by(table.seq)
    with engine.connect() as connection:
        return [Record(raw) for raw in connection.execute(statement).scalars()]


def last_seq(engine: Engine, device_id: int) -> int:
    """0 when there is none."""
    table = schema.record.c
    with engine.connect() as connection:
        return connection.execute(select(func.max(table.seq)).where(table.device_id == device_id)).scalar() or 0
