"""Carries connections from the machine's loopback to the API server in the node's network.

The listening socket comes from outside, where it stays; this process itself is inside. It is run
by itself and uses the standard library only.
"""

import asyncio
import contextlib
import socket
import sys


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _serve(listener: socket.socket, host: str, port: int) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(host, port)
            with contextlib.closing(inner_writer):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_copy(reader, inner_writer))
                    tasks.create_task(_copy(inner_reader, writer))

    server = await asyncio.start_server(carry, sock=listener)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve the socket whose number is the first argument, towards the address of the others."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    asyncio.run(_serve(listener, sys.argv[2], int(sys.argv[3])))


if __name__ == "__main__":
    main()
