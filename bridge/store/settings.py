"""What the store remembers of how it is run, for those who read it: `timezone`, `clock`, `town`."""

from sqlalchemy import Connection, Engine, delete, insert, select, update

from .schema import setting


def put_settings(engine: Engine, **values: str | None) -> None:
    """Set each, or forget it when None; in one transaction."""
    with engine.begin() as connection:
        for key, value in values.items():
            if value is None:
                connection.execute(delete(setting).where(setting.c.key == key))
            elif connection.execute(update(setting).where(setting.c.key == key).values(value=value)).rowcount == 0:
                connection.execute(insert(setting).values(key=key, value=value))


def get_settings(connection: Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(select(setting))}
