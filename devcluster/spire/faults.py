"""Faults on demand: calls that fail, calls that take their time, entries that are refused."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from api.proto import types_pb2
from devcluster.spire.refusal import Refusal

EntryMatch: TypeAlias = str | Callable[[types_pb2.Entry], bool]
"""The ID of an entry, or a question about it (for deletions only the ID is set)."""


@dataclass(slots=True)
class _CallFault:
    code: grpc.StatusCode
    message: str
    left: int | None


@dataclass(slots=True)
class _EntryFault:
    match: EntryMatch
    refusal: Refusal
    left: int | None


class Faults:
    """The faults of one server. Methods go by their bare name, ``BatchCreateEntry``."""

    def __init__(self) -> None:
        self._calls: dict[str, _CallFault] = {}
        self._delays: dict[str, float] = {}
        self._held: dict[str, asyncio.Event] = {}
        self._entries: list[_EntryFault] = []

    def fail(
        self,
        method: str,
        *,
        times: int | None = None,
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        message: str = "out of order",
    ) -> None:
        """Answer the next ``times`` calls (None: all) of a method with an error."""
        self._calls[method] = _CallFault(code, message, times)

    def delay(self, method: str, seconds: float) -> None:
        """Let every call of a method wait before it is served."""
        self._delays[method] = seconds

    @contextmanager
    def held(self, method: str) -> Iterator[None]:
        """Calls of a method wait until the block is left."""
        release = self._held[method] = asyncio.Event()
        try:
            yield
        finally:
            release.set()
            if self._held.get(method) is release:
                del self._held[method]

    def fail_entry(
        self,
        match: EntryMatch,
        *,
        times: int | None = None,
        code: grpc.StatusCode = grpc.StatusCode.INTERNAL,
        message: str = "this entry is refused",
    ) -> None:
        """Refuse matching entries in batches, ``times`` times (None: always)."""
        self._entries.append(_EntryFault(match, Refusal(message, code), times))

    def clear(self) -> None:
        """No more faults; calls that are held go on."""
        for release in self._held.values():
            release.set()
        self._held.clear()
        self._calls.clear()
        self._delays.clear()
        self._entries.clear()

    async def before_call(self, method: str) -> None:
        """Wait or raise Refusal, as a method's faults want."""
        if (seconds := self._delays.get(method)) is not None:
            await asyncio.sleep(seconds)
        if (release := self._held.get(method)) is not None:
            await release.wait()
        fault = self._calls.get(method)
        if fault is None:
            return
        if fault.left is not None:
            if fault.left == 0:
                return
            fault.left -= 1
        raise Refusal(fault.message, fault.code)

    def before_entry(self, entry: types_pb2.Entry) -> None:
        """Raise Refusal if the entry is to be refused."""
        for fault in self._entries:
            hit = fault.match == entry.id if isinstance(fault.match, str) else fault.match(entry)
            if not hit or fault.left == 0:
                continue
            if fault.left is not None:
                fault.left -= 1
            raise fault.refusal
