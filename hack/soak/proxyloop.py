"""The event loop of the proxies, in a thread of its own: everything else in the soak blocks."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

_SECONDS = 20.0


class ProxyLoop:
    """Runs coroutines for those who block, in use as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._open = contextlib.AsyncExitStack()

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened, then end it."""
        with contextlib.suppress(TimeoutError):
            self.run(self._open.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def run(self, coroutine: Coroutine[None, None, T]) -> T:
        """Run a coroutine there; gives what it gives."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS)

    def open(self, context: contextlib.AbstractAsyncContextManager[T]) -> T:
        """Enter a context that lasts until the end."""
        return self.run(self._open.enter_async_context(context))
