"""Findings: what the records mean for people. Reads records after a cursor; the rules follow in `bridge.rules`."""

from sqlalchemy import Engine

from bridge.counts import Counts


class Findings:
    def __init__(self, engine: Engine, *, clock: str, counts: Counts) -> None:
        self._engine = engine

    def run(self) -> bool:
        return False
