"""Where sealed messages come in and receipts go out. A carrier is not trusted: it can neither read nor forge what it carries.

A carrier gives `take` (the next messages, in order), `send` (receipts) and `settle` (those taken are stored; the carrier may
forget them). `mqtt` is the one there is; what it hands over is `bridge.ingest`'s Inbound.
"""
