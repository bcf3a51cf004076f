"""The tables of the store. Times are integer milliseconds UTC since 1970 (`…_ms`), positions 1e-7 degrees (`…_e7`).

A row of `record` is the 32 bytes as the device made them (`raw`) and the same thing taken apart. Only `at_ms` and `quarantine`
ever change, when the clock of its boot becomes known; it is deleted only when it is then dated outside of every wear period of
its device. Whatever is unknown is NULL.

An `event` is a finding. It is never deleted either; `superseded` says that records which came later show another story.

Codes: `kind`, `flags`, `code`, `mode`, `presence` are the numbers of `firmware.core.record`.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows only in a column declared INTEGER PRIMARY KEY; PostgreSQL needs the width said.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

device = Table(
    "device",
    metadata,
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),  # tag-000001
    Column("kind", Text, nullable=False),  # tag | hmu
    Column("shard", Text, nullable=False),  # where it was heard last: receipts go there
    Column("stored_through", BigInteger, nullable=False, default=0),  # every record 1..this is stored, or `lost`
    Column("highest_seq", BigInteger, nullable=False, default=0),  # more than stored_through: some are missing
    Column("heard_ms", BigInteger),  # when a message of its own was received last
    Column("key_id", Integer),  # the key it seals with; what is sealed with an older one is refused. NULL: not heard yet
    Column("relayed_by", BigInteger),  # the home unit that its last message came by; NULL: it came by itself
    # What its state message says (retained at the broker, not sealed: a hint and nobody's evidence), and when that came.
    Column("online", Boolean),
    Column("version", Text),
    Column("build", Text),
    Column("board", Text),
    Column("state_ms", BigInteger),
)

record = Table(
    "record",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("device_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),  # the 32 bytes
    Column("kind", Integer, nullable=False),  # FIX | EVENT
    Column("flags", Integer, nullable=False),
    Column("at_ms", BigInteger),  # NULL: undated (yet), or only a time of day (flag TIME_OF_DAY, seconds in raw)
    Column("boot", Integer),  # boot number of an undated record, until and after it is dated
    Column("quarantine", Text),  # NULL: good. future | doubtful (its date) | position (no such place): kept, shown to nobody
    Column("mode", Integer, nullable=False),
    Column("lat_e7", Integer),
    Column("lon_e7", Integer),
    Column("speed_cms", Integer),
    Column("course_deg", Integer),
    Column("radius_dm", Integer),
    Column("satellites", Integer),
    Column("hdop_tenths", Integer),
    Column("battery", Integer),
    Column("code", Integer),
    Column("value_a", Integer),
    Column("value_b", Integer),
    Column("received_ms", BigInteger, nullable=False),
    Column("relayed_by", BigInteger),  # the home unit's device id
    Column("relay_rssi", Integer),  # dBm
    UniqueConstraint("device_id", "seq"),
    Index("ix_record_device_id_at_ms", "device_id", "at_ms"),
    sqlite_autoincrement=True,
)

# Two different records under one number: the first stands in `record`, the others are kept here. No healthy device does that.
record_conflict = Table(
    "record_conflict",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("device_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    UniqueConstraint("device_id", "seq", "raw"),
    sqlite_autoincrement=True,
)

# Numbers that a device had to drop before they were stored here, by its own JOURNAL_FULL (record `said_by`). One of them that
# came later all the same is in `record` too.
lost = Table(
    "lost",
    metadata,
    Column("device_id", BigInteger, ForeignKey("device.device_id"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("said_by", BigInteger, nullable=False),
)

# Numbers first..last of records that were not stored because they are dated outside of every wear period of their device. They
# are receipted like the others; nothing else of them is kept.
declined = Table(
    "declined",
    metadata,
    Column("device_id", BigInteger, ForeignKey("device.device_id"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# What the bridge tells a device to do or to be, and what became of it. Who asked and why stand here for good (DPA 2018 s.62).
orders = Table(
    "orders",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("device_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("number", BigInteger),  # grows strictly for each device; NULL: not sent yet. Never two contents under one number
    Column("kind", Integer, nullable=False),  # message.ORDER_*
    Column("payload", LargeBinary),  # as sent; NULL: made when it is sent. A key order has the key's number alone
    Column("detail", JSON, nullable=False),  # in words: room, seconds, wear period
    Column("by_whom", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),  # NULL: never
    Column("sent_ms", BigInteger),  # when it was sent first …
    Column("last_sent_ms", BigInteger),  # … and last
    Column("sent_count", Integer, nullable=False, default=0),
    Column("state", Text, nullable=False),  # queued | sent | done | refused | expired | replaced
    Column("status", Integer),  # what the device answered: 0 done, else message.BAD_FORM …
    Column("done_ms", BigInteger),  # when the answer was received
    Column("done_seq", BigInteger),  # the record that is the answer
    Column("result", JSON),  # of a range test; of an update how far it is: at, size (bytes), asks, asked_ms
    UniqueConstraint("device_id", "number"),
    Index("ix_orders_state", "state"),
    sqlite_autoincrement=True,
)

# What CLOCK_SET said: when this boot's uptime was 0. The lowest sequence number of a boot decides.
boot_clock = Table(
    "boot_clock",
    metadata,
    Column("device_id", BigInteger, ForeignKey("device.device_id"), primary_key=True),
    Column("boot", Integer, primary_key=True),  # low 16 bits of the boot count
    Column("seq", BigInteger, nullable=False),
    Column("zero_ms", BigInteger, nullable=False),
)

# Records that were dated after they had been stored, in that order: the rules read them again from here.
dated = Table(
    "dated",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("record_id", BigInteger, ForeignKey("record.id"), nullable=False),
    sqlite_autoincrement=True,
)

wearer = Table(
    "wearer",
    metadata,
    Column("wearer_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

wear_period = Table(
    "wear_period",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("wearer_id", Text, ForeignKey("wearer.wearer_id"), nullable=False),
    Column("tag_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("hmu_id", BigInteger, ForeignKey("device.device_id")),
    Column("home_lat_e7", Integer),
    Column("home_lon_e7", Integer),
    Column("home_radius_m", Integer),  # NULL: the usual
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # NULL: open
    UniqueConstraint("wearer_id", "tag_id", "from_ms"),
    sqlite_autoincrement=True,
)

condition = Table(
    "condition",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("wearer_id", Text, ForeignKey("wearer.wearer_id"), nullable=False),
    Column("kind", Text, nullable=False),  # curfew | exclusion | inclusion
    Column("name", Text, nullable=False),
    # As in the scheme file: {from, until, days, grace_min}, {circle: {lat, lon, radius_m}} or {polygon: [[lat, lon], …]}
    Column("spec", JSON, nullable=False),
    UniqueConstraint("wearer_id", "name"),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("wearer_id", Text, ForeignKey("wearer.wearer_id"), nullable=False),
    Column(
        "device_id", BigInteger, ForeignKey("device.device_id")
    ),  # whose record it follows from; NULL: a time that was reached
    Column("seq", BigInteger),
    Column("kind", Text, nullable=False),  # bridge.rules names them
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),  # the record came long after the event
    Column("superseded", Boolean, nullable=False, default=False),
    Column("detail", JSON, nullable=False),
    Column("dedupe", Text, nullable=False, unique=True),
    Index("ix_event_wearer_id_at_ms", "wearer_id", "at_ms"),
    sqlite_autoincrement=True,
)

# The latest known state by event time: a backlog never moves it back.
live = Table(
    "live",
    metadata,
    Column("wearer_id", Text, ForeignKey("wearer.wearer_id"), primary_key=True),
    Column("tag_id", BigInteger, nullable=False),
    Column("at_ms", BigInteger),  # newest record of the tag or the home unit
    Column("fix_at_ms", BigInteger),
    Column("lat_e7", Integer),
    Column("lon_e7", Integer),
    Column("radius_dm", Integer),
    Column("speed_cms", Integer),
    Column("mode", Integer),  # MODE_*
    Column("presence", Integer),  # PRESENCE_*
    Column("battery", Integer),  # percent, the tag's
    Column("strap", Text),  # NULL: nothing heard of it | closed | cut (latched: stays cut when it closes again)
    Column("heard_ms", BigInteger),  # when anything of the tag was received last
)

# `rules` is the reading position; `wearer:<id>` hold each wearer's state.
rules_cursor = Table(
    "rules_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record_id", BigInteger, nullable=False),
    Column("state", JSON, nullable=False),
)

# A wearer's state as it was before the first record at or after `at_ms`: late records are judged from here on anew.
rules_checkpoint = Table(
    "rules_checkpoint",
    metadata,
    Column("wearer_id", Text, ForeignKey("wearer.wearer_id"), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("state", JSON, nullable=False),
)

# Every tag and home unit that the scheme owns, from when its number was given until for good: nobody gets a retired number again.
inventory = Table(
    "inventory",
    metadata,
    Column("device_id", BigInteger, ForeignKey("device.device_id"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),  # planned | begun (the bench may have written some of it) | ready | retired
    Column("chip", Text),  # the processor's own number, in hex: which board this is, for good. NULL: none yet
    Column("usb_serial", Text),  # how the bench finds its port again; not every board has one
    Column("board", Text),  # a folder of firmware/boards/
    Column("key_id", Integer, nullable=False),  # the key of the bench; higher each time that its flash was found erased
    Column("written", JSON),  # what is on the device, as far as it is no secret: broker, shard, partners, slot
    Column("certificate", Text),  # the serial number of its certificate, in hex
    Column("certificate_until_ms", BigInteger),
    Column("provisioned_ms", BigInteger),  # last; NULL: never to the end
    # Two boards are never one device; a retired one's board may become another.
    Index(
        "ix_inventory_chip",
        "chip",
        unique=True,
        sqlite_where=text("state <> 'retired'"),
        postgresql_where=text("state <> 'retired'"),
    ),
)

# Which tag is in which place of a home unit. A place keeps its last tag when that has left, until another takes it: the others
# keep theirs, and what is on their boards stays true.
pairing = Table(
    "pairing",
    metadata,
    Column("hmu_id", BigInteger, ForeignKey("device.device_id"), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("tag_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("ended_ms", BigInteger),  # NULL: it is there
)

# What was done to a device on the bench, by whom and when; never changed.
bench_log = Table(
    "bench_log",
    metadata,
    Column("id", _ROW_ID, primary_key=True),
    Column("device_id", BigInteger, ForeignKey("device.device_id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by_whom", Text, nullable=False),
    Column("what", Text, nullable=False),  # provisioned | paired | unpaired | retired | label
    Column("detail", JSON, nullable=False),
    Index("ix_bench_log_device_id", "device_id"),
    sqlite_autoincrement=True,
)

# Releases that devices may be sent. The signature is verified again whenever one is taken down: this table vouches for nothing.
release = Table(
    "release",
    metadata,
    Column("sha256", Text, primary_key=True),  # of its manifest, in hex
    Column("version", Text, nullable=False),
    Column("build", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("board", Text, nullable=False),
    Column("bundle", LargeBinary, nullable=False),  # the file as it was built
    Column("added_ms", BigInteger, nullable=False),
    Column("by_whom", Text, nullable=False),
)

# Numbers below `counter` may have been used for messages down; reserved in blocks, so that no crash repeats one.
down_counter = Table(
    "down_counter",
    metadata,
    Column("device_id", BigInteger, ForeignKey("device.device_id"), primary_key=True),
    Column("counter", BigInteger, nullable=False),
)

# timezone (IANA name) · clock (wall | records) · town (path of a GeoJSON file) · lease_days
# policy (JSON: settings of the devices that differ)
setting = Table(
    "setting",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
