"""MQTT 3.1.1 for a device: `codec` (bytes, no state of a session), `session` (state, no I/O), `stream` (I/O, asyncio).

`retained` keeps one retained message up to date; `peer` decodes what clients send as well, for the host and for tests.
Nothing here knows what a record is: a source (see `session`) renders its messages straight into the send buffer.
"""
