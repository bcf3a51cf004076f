"""The store: what the bridge knows, on disk. SQLite by default, PostgreSQL when it grows.

`schema` is the tables (the one home of their names), `migrations` makes them, `opening` opens a store or refuses it with a
reason, `queries` reads, `settings` is the few things it remembers of how it is run, `writing` what differs between databases.
Imports nothing of the bridge but `bridge.errors`; every writer opens its own transaction.
"""

from .opening import open_store

__all__ = ("open_store",)
