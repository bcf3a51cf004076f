"""Findings: the pure rules run over what is in the store. `driver` reads records and writes events, `case` is one wearer."""

from .driver import Findings

__all__ = ("Findings",)
