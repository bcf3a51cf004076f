"""Shared by the tag and the home unit, and by the host for the formats. No hardware, no application; imports nothing
of ours outside this folder and runs on MicroPython and on CPython alike. Start with `record`, then `message`, `journal`
and `uplink`."""
