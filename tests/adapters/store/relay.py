"""A TCP relay between a store and its server that can be told to misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


class Relay:
    """`silent`: nothing passes any longer, and nobody is told. `delay_s`: all answers come late.

    `cut` looks at what the client sends; when it says so, that still reaches the server, but no
    answer comes back, and the client is hung up on.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.silent = False
        self.delay_s = 0.0
        self.cut: Callable[[bytes], bool] = lambda _: False
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.create_task(self._pass(server, to_client, lambda _: False))
        try:
            await self._pass(client, to_server, self.cut, lambda: back.cancel())
        finally:
            back.cancel()
            to_client.transport.abort()
            to_server.transport.abort()
            self._tasks.discard(task)

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        cut: Callable[[bytes], bool],
        before_cut: Callable[[], object] = lambda: None,
    ) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while data := await source.read(65_536):
                if self.silent:
                    continue
                if self.delay_s and cut is not self.cut:
                    await asyncio.sleep(self.delay_s)
                last = cut(data)
                if last:
                    before_cut()
                sink.write(data)
                if last:
                    await asyncio.sleep(0.1)  # the server has done it by then
                    return
            sink.close()

    async def hang_up(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def relay(port: int) -> AsyncIterator[Relay]:
    made = Relay(port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.hang_up()
