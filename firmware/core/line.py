"""Who has the serial port: the console for whoever types, the cable for a host that says a zero, which nobody types.

Imported when the first byte comes (`node.Node._console`); the other two only while they are wanted.
"""

import sys

from .node import _drop


async def serve(node, stream, got):
    """Serve an asyncio stream of bytes whose first was `got`, until it ends."""
    while got:
        if got == b"\0":
            try:
                from . import cable

                await cable.serve(node, sys.stdin.buffer, sys.stdout.buffer)
            except MemoryError:
                pass  # whoever calls calls again
            cable = None
            for name in ("cable", "cobs", "_cobs_viper"):
                _drop(name)
            got = await stream.read(1)
        else:
            from . import console

            got = await console.serve(node, stream)
