"""Opening a store: made when it is not there, brought up to date when it is older, refused with a reason otherwise.

What is refused (`ConfigError` naming the file, the field, the value and what was expected) is not touched: no byte of a foreign,
corrupt or newer file changes. A new SQLite store is made beside its place and moved there whole, so a crash leaves none or all.

Writers of an SQLite store begin their transactions IMMEDIATE: who may write is settled at the start, not in the middle. A commit
is on the disk when it returns (WAL, synchronous FULL), but for a simulation's, which only has to outlive its processes. Readers
(`read_only=True`) never wait for writers.
"""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bridge.errors import ConfigError

REVISION = "0006"  # the newest in migrations/versions: a store of this revision opens without loading Alembic
APPLICATION_ID = 0x486F6D65  # "Home", bytes 68-71 of the file (SQLite file format section 1.3.8)
BUSY_TIMEOUT_MS = 30_000
QUICK_CHECK_BYTES = (
    64 << 20
)  # PRAGMA quick_check reads the whole file: about 0.1 s for this much, then it is left to the operator

_MAGIC = b"SQLite format 3\x00"
_EXPECTED = "a Homeward store, or a path where none is yet"


def open_store(url: str | Path, *, read_only: bool = False, is_simulated: bool = False) -> Engine:
    """The engine of a store that is known to be sound and up to date.

    `url` is an SQLAlchemy URL, or the path of an SQLite file. With `read_only` the store must be there already. With
    `is_simulated` a commit outlives this process, as it has to, but not the host's power: the disk is what it waits for most.
    """
    parsed = store_url(url)
    if parsed.get_backend_name() != "sqlite":
        return _open_server(parsed, read_only)
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("settings", "store", str(url), "a path: the store has to outlive the process")
    path = Path(parsed.database)
    if _is_absent(path):
        if read_only:
            raise ConfigError(path, "store", "no such file", "a store (the bridge makes it when it starts)")
        _create(path)
    else:
        revision = _inspect(path)
        if revision != REVISION:
            if read_only:
                raise ConfigError(path, "revision", revision, f"{REVISION} (the bridge brings it up to date when it starts)")
            _upgrade_file(path)
    return sqlite_engine(path, read_only=read_only, is_simulated=is_simulated)


def store_url(url: str | Path) -> URL:
    """The URL of a store given as a URL or as a path. ConfigError when it is neither."""
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=os.fspath(url))
    try:
        return make_url(url)
    except ArgumentError:
        raise ConfigError("settings", "store", _hide_password(url), "a path, or a URL such as sqlite:///run/store.db") from None


def sqlite_engine(path: Path, *, read_only: bool = False, immutable: bool = False, is_simulated: bool = False) -> Engine:
    """An engine on an SQLite file as it is, with nothing checked. See `open_store`.

    `immutable` promises that nobody writes to it now: reading then leaves no `-wal` and `-shm` beside it.
    """
    uri = f"file:{_quote(path)}?mode={'ro' if read_only else 'rw'}" + ("&immutable=1" if immutable else "")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if is_simulated else 'FULL'}")
        return connection

    engine = create_engine("sqlite://", creator=connect, pool_size=5, poolclass=_queue_pool())
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin) and None)
    return engine


def _queue_pool():
    from sqlalchemy.pool import QueuePool  # the URL names no file, so the dialect would take one connection for all threads

    return QueuePool


def _is_absent(path: Path) -> bool:
    try:
        if path.stat().st_size:
            return False
        return not path.with_name(path.name + "-wal").exists()  # an empty file, made by hand or by an editor
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise ConfigError(path, "store", str(path.parent), "a folder that exists") from None
        return True
    except OSError as error:
        raise ConfigError(path, "store", str(path), f"a file that can be read ({error.strerror})") from None


def _create(path: Path) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        new.unlink(missing_ok=True)
        # The store says where people are: nobody else on this machine may read it. SQLite gives its -wal the same mode.
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        engine = create_engine(URL.create("sqlite", database=os.fspath(new)))
        try:
            with engine.begin() as connection:
                _migrate(connection)
                connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        finally:
            engine.dispose()
        os.replace(new, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, SQLAlchemyError) as error:
        new.unlink(missing_ok=True)
        raise ConfigError(path, "store", str(path), f"a place where a store can be made ({_reason(error)})") from None


def _inspect(path: Path) -> str:
    """The revision of the store at `path`. ConfigError unless it is one of ours and sound; reads only."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise ConfigError(path, "store", str(path), f"a file that can be read ({error.strerror})") from None
    if len(head) < 100 or head[:16] != _MAGIC:
        raise ConfigError(path, "store", head[:16], _EXPECTED)
    application = int.from_bytes(head[68:72], "big")
    if application != APPLICATION_ID:
        raise ConfigError(path, "application id", f"{application:#010x}", f"{APPLICATION_ID:#010x}: {_EXPECTED}")
    engine = sqlite_engine(path, read_only=True, immutable=not path.with_name(path.name + "-wal").exists())
    try:
        with engine.connect() as connection:
            if path.stat().st_size <= QUICK_CHECK_BYTES:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if verdict != "ok":
                    raise ConfigError(path, "store", " ".join(str(verdict).split()), "a sound database; restore it from a backup")
            return _known_revision(path, connection)
    except SQLAlchemyError as error:
        raise ConfigError(path, "store", _reason(error), "a sound database; restore it from a backup") from None
    finally:
        engine.dispose()


def _known_revision(file: object, connection: Connection) -> str:
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if not isinstance(revision, str) or not revision.isdigit() or revision > REVISION:
        raise ConfigError(file, "revision", revision, f"{REVISION} or older; it was written by a newer Homeward")
    return revision


def _upgrade_file(path: Path) -> None:
    engine = sqlite_engine(path)
    try:
        with engine.begin() as connection:
            _migrate(connection)
    finally:
        engine.dispose()


def _open_server(url: URL, read_only: bool) -> Engine:
    file = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url)
        with engine.begin() as connection:
            tables = set(inspect(connection).get_table_names())
            if tables and "alembic_version" not in tables:
                raise ConfigError(file, "tables", ", ".join(sorted(tables)), "an empty database, or a Homeward store")
            if not tables or _known_revision(file, connection) != REVISION:
                if read_only:
                    raise ConfigError(file, "store", "old or empty", "a store (the bridge makes it when it starts)")
                _migrate(connection)
        return engine
    except ImportError as error:
        raise ConfigError(file, "store", url.drivername, f"a database whose driver is installed ({error})") from None
    except SQLAlchemyError as error:
        raise ConfigError(file, "store", _reason(error), "a database that can be reached") from None


def _migrate(connection: Connection) -> None:
    """All revisions up to the newest, in the connection's transaction."""
    from alembic import command  # late: it takes longer to load than the rest of the bridge together
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _quote(path: Path) -> str:
    from urllib.parse import quote

    return quote(os.fspath(path.absolute()))


def _hide_password(url: str) -> str:
    return url.partition("://")[0] + "://…"


def _reason(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return " ".join(str(origin).split()) or type(origin).__name__
