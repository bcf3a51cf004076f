"""The inventory: which board is which device, which tag belongs to which home unit, and what the bench did."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inventory",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("chip", sa.Text(), nullable=True),
        sa.Column("usb_serial", sa.Text(), nullable=True),
        sa.Column("board", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("written", sa.JSON(), nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("certificate_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("provisioned_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_inventory_device_id_device")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_inventory")),
    )
    in_use = sa.text("state <> 'retired'")
    op.create_index("ix_inventory_chip", "inventory", ["chip"], unique=True, sqlite_where=in_use, postgresql_where=in_use)
    op.create_table(
        "pairing",
        sa.Column("hmu_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["hmu_id"], ["device.device_id"], name=op.f("fk_pairing_hmu_id_device")),
        sa.ForeignKeyConstraint(["tag_id"], ["device.device_id"], name=op.f("fk_pairing_tag_id_device")),
        sa.PrimaryKeyConstraint("hmu_id", "slot", name=op.f("pk_pairing")),
    )
    op.create_table(
        "bench_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_bench_log_device_id_device")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bench_log")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bench_log_device_id", "bench_log", ["device_id"], unique=False)


def downgrade() -> None:
    for table in ("bench_log", "pairing", "inventory"):
        op.drop_table(table)
