"""Alembic's entry: runs the revisions on the connection that `bridge.store.opening` hands over (or `alembic -x url=…`)."""

from alembic import context
from sqlalchemy import create_engine

from bridge.store.schema import metadata


def _run(connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    _run(handed_over)
else:
    engine = create_engine(context.get_x_argument(as_dictionary=True)["url"])
    with engine.begin() as own:
        _run(own)
