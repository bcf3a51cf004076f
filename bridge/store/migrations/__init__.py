"""How the store came to be as it is: one Alembic revision for each change of the tables. Run by `bridge.store.opening`."""
