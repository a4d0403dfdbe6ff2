"""A work queue and the function that brings one key to its desired state.

``reconcile`` returns what should happen next or raises what went wrong; all
the rest (back-off, time-outs, concurrency, metrics, the one log line of an
error) is here. Workers exist only while there is work, so a high limit on
concurrency costs nothing while idle. A controller may give way to another one
whose work is more urgent: see ``slots``. Among the keys of one, ``turns`` decides.
"""

import asyncio
import itertools
import logging
import math
from collections.abc import Awaitable, Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar

from registrar.errors import Retry, Terminal, Waiting
from registrar.kube.errors import KubeError, NotLeading, TooManyRequests
from registrar.kube.slots import Slots
from registrar.kube.turns import IN_ORDER, Turn
from registrar.kube.workqueue import WorkQueue
from registrar.telemetry.logging import Throttle, kv, log_context
from registrar.telemetry.observers import ControllerObserver, SilentController

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

QUIET_SECONDS = 10.0
"""Failures of one reason are logged at most that often; the line says how many it stands for."""

WAITED_SECONDS: ContextVar[float] = ContextVar("waited_seconds", default=0.0)
"""How long the key that is being reconciled had waited in its queue."""

STALLED_SECONDS = 5.0
"""A controller in which nothing succeeded for so long has no backlog that others could wait for."""


@dataclass(frozen=True, slots=True)
class Done:
    """The key is as it should be until something changes."""


@dataclass(frozen=True, slots=True)
class Again:
    """Look at the key again after that many seconds; no failure, so no back-off."""

    seconds: float
    why: str = ""


Result = Done | Again


class Controller(Generic[K]):
    """Runs ``reconcile`` for every key of ``queue``, each key in one worker at a time.

    Retry and unexpected errors come back with back-off; Terminal waits for
    the next change. While another controller has a ``backlog``, which ``yields_to``
    gives, fewer run at once: see ``Slots``. ``room`` gives how many may do so, where that
    changes; it is never more than ``concurrency``. ``turn`` orders the keys.
    """

    def __init__(  # noqa: PLR0913 - all by keyword
        self,
        *,
        name: str,
        reconcile: Callable[[K], Awaitable[Result]],
        concurrency: int,
        timeout_seconds: float,
        observer: ControllerObserver | None = None,
        yields_to: Callable[[], int] = lambda: 0,
        room: Callable[[], int] | None = None,
        turn: Callable[[K], Turn] = lambda _: IN_ORDER,
    ) -> None:
        self.name = name
        self._reconcile = reconcile
        self._concurrency = concurrency
        self._yields_to = yields_to
        self._room = room
        self._timeout_seconds = timeout_seconds
        self._observer = observer or SilentController()
        self._observer.limit(concurrency)
        self.queue: WorkQueue[K] = WorkQueue(observer=self._observer.queue, turn=turn)
        self._numbers = itertools.count(1)
        self._throttle = Throttle(QUIET_SECONDS)
        self._given_up: dict[K, str] = {}
        self._succeeded = -math.inf

    def backlog(self) -> int:
        """How many keys wait or are under way; none while nothing succeeds.

        To give way to what stands still helps nobody: then whoever yields has to say what is wrong.
        """
        is_stalled = asyncio.get_running_loop().time() - self._succeeded > STALLED_SECONDS
        return 0 if is_stalled else self.queue.unfinished

    async def run(self) -> None:
        """Work until cancelled."""
        slots = Slots(self._limit, self._yields_to)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.take()
                key = await self.queue.get()
                group.create_task(self._work(key, slots))

    async def settled(self) -> None:
        """Wait until the queue is empty and nothing is being reconciled.

        After the caches are synced it tells that the first pass is over.
        """
        await self.queue.settled()

    def _limit(self) -> int:
        return self._concurrency if self._room is None else min(self._concurrency, self._room())

    async def _work(self, key: K, slots: Slots) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        log_context.set(
            {
                "controller": self.name,
                "object": str(key),
                "reconcile_id": f"{self.name}-{next(self._numbers)}",
            }
        )
        WAITED_SECONDS.set(self.queue.waited(key))
        self._observer.started()
        result = "error"
        try:
            result = await self._attempt(key)
        finally:
            self._observer.finished(result, loop.time() - started)
            self.queue.done(key)
            slots.free()

    async def _attempt(self, key: K) -> str:
        """Reconcile once and arrange what comes next; the result as metrics call it."""
        deadline = asyncio.timeout(self._timeout_seconds)
        try:
            async with deadline:
                outcome = await self._reconcile(key)
        except Terminal as error:
            return self._give_up(key, error)
        except TimeoutError as error:
            self._fail(key, error, "Timeout")
            return "timeout" if deadline.expired() else "error"
        except (NotLeading, Waiting) as error:
            # Not our turn to write, for the next leader starts from its own caches; or what it
            # needs is on its way, and whoever reads it says when that fails.
            self._fail(key, error, error.reason, level=logging.DEBUG)
            return "error"
        except Retry as error:
            self._fail(key, error, error.reason)
            return "error"
        except KubeError as error:
            self._fail(key, error, error.reason or type(error).__name__)
            return "error"
        except Exception as error:  # noqa: BLE001 - the worker loop: one key must not end all
            self._fail(key, error, type(error).__name__, unexpected=True)
            return "error"
        self.queue.forget(key)
        self._given_up.pop(key, None)
        self._succeeded = asyncio.get_running_loop().time()
        if isinstance(outcome, Again):
            self.queue.add_after(key, outcome.seconds)
            return "requeue_after"
        return "success"

    def _give_up(self, key: K, error: Terminal) -> str:
        self.queue.forget(key)
        text = f"{error.reason}: {error}"
        if self._given_up.get(key) != text:
            self._given_up[key] = text
            log.error("gave up until something changes", extra=kv(reason=error.reason, error=error))
        return "terminal"

    def _fail(
        self,
        key: K,
        error: Exception,
        reason: str,
        *,
        level: int = logging.WARNING,
        unexpected: bool = False,
    ) -> None:
        at_least = error.retry_after if isinstance(error, TooManyRequests) else 0.0
        seconds = self.queue.add_rate_limited(key, at_least)
        suppressed = self._throttle.allow(reason, asyncio.get_running_loop().time())
        if suppressed is not None:
            log.log(
                level,
                "reconcile failed, trying again",
                extra=kv(
                    reason=reason,
                    error=error,
                    attempt=self.queue.failures(key),
                    retry_seconds=round(seconds, 3),
                    similar=suppressed,
                ),
                exc_info=error if unexpected else None,
            )
