"""What differs between the databases when writing."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine


def insert_of(engine: Engine) -> Callable[..., Any]:
    """The database's own `insert(table)`, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if engine.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # late: it takes 30 ms to load

        return insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert
