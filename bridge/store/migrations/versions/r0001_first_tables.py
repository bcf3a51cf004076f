"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("shard", sa.Text(), nullable=False),
        sa.Column("stored_through", sa.BigInteger(), nullable=False),
        sa.Column("highest_seq", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device")),
        sa.UniqueConstraint("name", name=op.f("uq_device_name")),
    )
    op.create_table(
        "rules_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rules_cursor")),
    )
    op.create_table(
        "setting",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_setting")),
    )
    op.create_table(
        "wearer",
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("wearer_id", name=op.f("pk_wearer")),
    )
    op.create_table(
        "boot_clock",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("zero_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_boot_clock_device_id")),
        sa.PrimaryKeyConstraint("device_id", "boot", name=op.f("pk_boot_clock")),
    )
    op.create_table(
        "condition",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.wearer_id"], name=op.f("fk_condition_wearer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_condition")),
        sa.UniqueConstraint("wearer_id", "name", name=op.f("uq_condition_wearer_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "down_counter",
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_down_counter_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_down_counter")),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("dedupe", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_event_device_id")),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.wearer_id"], name=op.f("fk_event_wearer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_event_dedupe")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_wearer_id_at_ms", "event", ["wearer_id", "at_ms"])

    op.create_table(
        "live",
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("fix_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("lat_e7", sa.Integer(), nullable=True),
        sa.Column("lon_e7", sa.Integer(), nullable=True),
        sa.Column("radius_dm", sa.Integer(), nullable=True),
        sa.Column("speed_cms", sa.Integer(), nullable=True),
        sa.Column("mode", sa.Integer(), nullable=True),
        sa.Column("presence", sa.Integer(), nullable=True),
        sa.Column("battery", sa.Integer(), nullable=True),
        sa.Column("strap", sa.Text(), nullable=True),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.wearer_id"], name=op.f("fk_live_wearer_id")),
        sa.PrimaryKeyConstraint("wearer_id", name=op.f("pk_live")),
    )
    op.create_table(
        "record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("boot", sa.Integer(), nullable=True),
        sa.Column("quarantine", sa.Text(), nullable=True),
        sa.Column("mode", sa.Integer(), nullable=False),
        sa.Column("lat_e7", sa.Integer(), nullable=True),
        sa.Column("lon_e7", sa.Integer(), nullable=True),
        sa.Column("speed_cms", sa.Integer(), nullable=True),
        sa.Column("course_deg", sa.Integer(), nullable=True),
        sa.Column("radius_dm", sa.Integer(), nullable=True),
        sa.Column("satellites", sa.Integer(), nullable=True),
        sa.Column("hdop_tenths", sa.Integer(), nullable=True),
        sa.Column("battery", sa.Integer(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("value_a", sa.Integer(), nullable=True),
        sa.Column("value_b", sa.Integer(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("relayed_by", sa.BigInteger(), nullable=True),
        sa.Column("relay_rssi", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_record_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("device_id", "seq", name=op.f("uq_record_device_id_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_record_device_id_at_ms", "record", ["device_id", "at_ms"])

    op.create_table(
        "record_conflict",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.device_id"], name=op.f("fk_record_conflict_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_conflict")),
        sa.UniqueConstraint("device_id", "seq", "raw", name=op.f("uq_record_conflict_device_id_seq_raw")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rules_checkpoint",
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.wearer_id"], name=op.f("fk_rules_checkpoint_wearer_id")),
        sa.PrimaryKeyConstraint("wearer_id", "at_ms", name=op.f("pk_rules_checkpoint")),
    )
    op.create_table(
        "wear_period",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wearer_id", sa.Text(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("hmu_id", sa.BigInteger(), nullable=True),
        sa.Column("home_lat_e7", sa.Integer(), nullable=True),
        sa.Column("home_lon_e7", sa.Integer(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["hmu_id"], ["device.device_id"], name=op.f("fk_wear_period_hmu_id")),
        sa.ForeignKeyConstraint(["tag_id"], ["device.device_id"], name=op.f("fk_wear_period_tag_id")),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.wearer_id"], name=op.f("fk_wear_period_wearer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wear_period")),
        sa.UniqueConstraint("wearer_id", "tag_id", "from_ms", name=op.f("uq_wear_period_wearer_id_tag_id_from_ms")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dated",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_dated_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dated")),
        sqlite_autoincrement=True,
    )
