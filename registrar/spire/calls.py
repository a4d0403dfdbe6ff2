"""One unary call to the SPIRE server: with a deadline, observed, its errors in our terms."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from registrar.ending import Ending
from registrar.spire.errors import Internal, NotLeading, SpireError, error_of

M = TypeVar("M", bound=Message)

TIMEOUT_SECONDS = 30.0
"""How long a call may take by default."""


class CallObserver(Protocol):
    """Hears of calls to the SPIRE server; ``telemetry.metrics.SpireMetrics`` is one."""

    def called(self, method: str, code: str, seconds: float) -> None:
        """A call (list, get, create, update, delete, bundle, mint…) ended with that gRPC code."""
        ...

    def batched(self, method: str, size: int) -> None:
        """The writer gathered that many entries for one call."""
        ...


class Unobserved:
    """A CallObserver that forgets what it hears."""

    def called(self, method: str, code: str, seconds: float) -> None:
        """Nothing."""

    def batched(self, method: str, size: int) -> None:
        """Nothing."""


class Channels(Protocol):
    """Where channels come from; ``connection.Connection`` is one."""

    @property
    def problem(self) -> str:
        """Why the last connection failed, as far as gRPC itself cannot know; else empty."""
        ...

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """The current channel; it stays open until the block is left."""
        ...


MayWrite = Callable[[], bool]
"""Says whether this process may write now."""


def open_gate() -> bool:
    """Yes: where nobody else can write."""
    return True


def readable(answer: M | None) -> M:
    """The answer of a call. Raises Internal for bytes that are none: the library gives None."""
    if answer is None:
        raise Internal("SPIRE sent an answer that cannot be read")
    return answer


class Pages:
    """The token of each page in its turn. A server that gives one twice would never end."""

    def __init__(self) -> None:
        self.token = ""
        self._seen: set[str] = set()

    def turn(self, token: str) -> bool:
        """Go on to the page of a token; False where there is none. Raises Internal."""
        if token in self._seen:
            raise Internal("SPIRE gives the same page again and again")
        self._seen.add(token)
        self.token = token
        return bool(token)


class Caller:
    """Wraps each call of one client. ``gate`` is asked before each that writes.

    Where the process is told to end, as ``ending`` says, a write that is under way is finished.
    """

    def __init__(
        self,
        channels: Channels,
        *,
        observer: CallObserver,
        timeout_seconds: float,
        gate: MayWrite = open_gate,
        ending: Ending | None = None,
    ) -> None:
        self._channels = channels
        self._observer = observer
        self.timeout_seconds = timeout_seconds
        self._gate = gate
        self._ending = ending or Ending()

    async def write(self, method: str, send: Callable[[grpc.aio.Channel], Awaitable[M]]) -> M:
        """Make a call that writes, over the channel that it is given. Raises SpireError.

        NotLeading where this process may not: asked once the channel is there, for that may have
        taken a while.
        """

        async def write() -> M:
            async with self.call(method) as channel:
                self._check_gate()
                return readable(await send(channel))

        return await self._ending.finished(write(), may_go_on=self._gate)

    @asynccontextmanager
    async def call(self, method: str) -> AsyncIterator[grpc.aio.Channel]:
        """A channel for one call in the block; what it raises becomes a SpireError."""
        began = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            async with self._channels.use() as channel:
                yield channel
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise self._explained(code, error.details() or "") from error
        except SpireError as error:
            code = error.code
            raise
        except BaseException:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            self._observer.called(method, code.name, time.perf_counter() - began)

    def _check_gate(self) -> None:
        if not self._gate():
            raise NotLeading("this process may not write: another one leads")

    def _explained(self, code: grpc.StatusCode, details: str) -> SpireError:
        problem = self._channels.problem
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            details = f"no answer within {self.timeout_seconds:g} s"
            details = f"{details}: {problem}" if problem else details
        elif code is grpc.StatusCode.UNAVAILABLE and problem:
            details = problem
        elif code is grpc.StatusCode.PERMISSION_DENIED:
            details += "; over TCP our own SPIFFE ID needs an entry with admin = true"
        return error_of(code, details)
