"""Findings: the pure rules run over what is in the store. `driver` reads records and writes events, `case` is one wearer,
`crashes` knows the names behind a crash."""

from .driver import Findings

__all__ = ("Findings",)
