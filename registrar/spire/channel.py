"""The channel to the SPIRE server, and changing it for another while calls are on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest message that we take; servers send no limit of theirs."""

REDIAL_SECONDS = 15.0
"""How long calls stay on the old channel, at most, while the new one connects."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # Servers in Go refuse the escaped socket path that would be the authority.
    ("grpc.default_authority", "localhost"),
    # Two channels to one target must not share a connection, or rotation would change nothing.
    ("grpc.use_local_subchannel_pool", 1),
)


class _Dial:
    """One channel, and how many calls are on it."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self.calls = 0
        self.is_retired = False


class Connection:
    """Where calls find their channel. Make it with ``open_connection``; ``target`` is dialled."""

    def __init__(self, target: str, *, why_not: Callable[[], str] = lambda: "") -> None:
        self.target = target
        self._why_not = why_not
        self._dial = _Dial(target)
        self._retired: set[_Dial] = set()

    @property
    def problem(self) -> str:
        """Why there is no TLS connection; empty when there is one, or no TLS."""
        return self._why_not()

    @property
    def current(self) -> grpc.aio.Channel:
        """The channel that the next call goes over; calls ask for it with ``use``."""
        return self._dial.channel

    @asynccontextmanager
    async def use(self) -> AsyncIterator[grpc.aio.Channel]:
        """The current channel; it stays open until the block is left."""
        dial = self._dial
        dial.calls += 1
        try:
            yield dial.channel
        finally:
            dial.calls -= 1
            if dial.is_retired and not dial.calls:
                self._retired.discard(dial)
                await dial.channel.close()

    async def redial(self) -> None:
        """Send the calls from now on over a new channel, as soon as that is connected.

        When it does not connect in time, the old one is no better for long:
        calls move over all the same, and fail with the reason.
        """
        fresh = _Dial(self.target)
        self._retired.add(fresh)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REDIAL_SECONDS):
                await fresh.channel.channel_ready()
        before, self._dial = self._dial, fresh
        before.is_retired = True
        self._retired.discard(fresh)
        self._retired.add(before)
        await self._sweep()

    async def _sweep(self) -> None:
        """Close the channels that went out of use while no call was on them."""
        for dial in [dial for dial in self._retired if not dial.calls]:
            self._retired.discard(dial)
            await dial.channel.close()

    async def close(self) -> None:
        """Close every channel; calls that are under way are cancelled."""
        for dial in (self._dial, *self._retired):
            await dial.channel.close()
        self._retired.clear()
