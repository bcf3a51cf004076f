"""What a device's state message says: whether it is online, and what runs on it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("online", sa.Boolean()),
    ("version", sa.Text()),
    ("build", sa.Text()),
    ("board", sa.Text()),
    ("state_ms", sa.BigInteger()),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("device", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(_COLUMNS):
        op.drop_column("device", name)
