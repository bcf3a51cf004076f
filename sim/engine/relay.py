"""What stands between broker and bridge, so that a scenario can part them: it passes bytes on, or lets them wait.

Parted, it passes nothing on, and who connects finds nobody who answers, as when a cable is pulled: no error, nothing arrives. A
thread of its own, since the bridge keeps its connection alive by the wall clock.
"""

import asyncio
import contextlib
import threading

_CHUNK = 65_536


class Relay:
    """`port` listens on 127.0.0.1 and leads to `target`, a port there."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._over = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._serve(ready)), name="relay", daemon=True
        )
        self._thread.start()
        ready.wait()

    def passes(self, passes: bool) -> None:
        """Let bytes pass, or part the two. From any thread; it holds when this returns."""

        async def change() -> None:
            if passes:
                self._open.set()
            else:
                self._open.clear()

        asyncio.run_coroutine_threadsafe(change(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._open.set()
        server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            to_read, to_write = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass_on(reader, to_write), self._pass_on(to_read, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        await self._open.wait()
        writer.close()
