"""Ingest: open → check → store → receipt, in batches.

`unseal` says what a message is or why it is refused, `columns` takes a record apart, `worn` says whether it may be stored,
`progress` knows the gap-free prefix of each device, `counters` gives numbers for messages down, `batch` puts a batch into one
transaction and answers it. Imports the store, the keys and the formats of `firmware.core`; knows no carrier.
"""

from .batch import Inbound, Ingest, Outbound

__all__ = ("Inbound", "Ingest", "Outbound")
