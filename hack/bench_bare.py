"""What SPIRE needs by itself: entries written call after call, by a client that does no more."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from api.proto import entry_pb2, entry_pb2_grpc, types_pb2

BATCH = 100
_TRUST_DOMAIN = "example.org"
_NAMES = uuid.UUID("f2b6c1de-4a2f-4d7f-8a55-6a0c9d1c7e10")
_PARENT = types_pb2.SPIFFEID(
    trust_domain=_TRUST_DOMAIN,
    path=f"/spire/agent/k8s_psat/bench/{uuid.uuid5(_NAMES, 'node')}",
)
_SECONDS = 120.0


@dataclass(frozen=True)
class Step:
    """One call: how many entries there were before, and what one entry of it took.

    The server's CPU time tells more than the time by the clock where others use the machine too.
    """

    present: int
    seconds_per_entry: float
    cpu_seconds_per_entry: float


def entry(number: int, *, shares_selector: bool = False) -> types_pb2.Entry:
    """An entry such as a Pod has; all share their parent, and may share a selector.

    Its parent, ID and selector are as long as those that controllers write: SPIRE's time grows with
    the size of its rows.
    """
    pod_uid = uuid.uuid5(_NAMES, f"pod {number}")
    selectors = [types_pb2.Selector(type="k8s", value=f"pod-uid:{pod_uid}")]
    if shares_selector:
        selectors.append(types_pb2.Selector(type="k8s", value="ns:bench"))
    return types_pb2.Entry(
        id=_entry_id(number),
        spiffe_id=types_pb2.SPIFFEID(trust_domain=_TRUST_DOMAIN, path=f"/bare-{number}"),
        parent_id=_PARENT,
        selectors=selectors,
    )


def _entry_id(number: int) -> str:
    """A UUID, as SPIRE gives; made from the number, so that a random order comes again."""
    return str(uuid.uuid5(_NAMES, f"entry {number}"))


async def write(
    socket: Path,
    number: int,
    *,
    shares_selector: bool = False,
    cpu_seconds: Callable[[], float] = lambda: 0.0,
) -> list[Step]:
    """Write so many entries in calls of a hundred. Raises RuntimeError when one is refused.

    ``cpu_seconds`` tells what the server has used so far.
    """
    steps: list[Step] = []
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub = entry_pb2_grpc.EntryStub(channel)
        for first in range(0, number, BATCH):
            entries = [
                entry(first + index, shares_selector=shares_selector)
                for index in range(min(BATCH, number - first))
            ]
            began, used = time.monotonic(), cpu_seconds()
            answer = await stub.BatchCreateEntry(
                entry_pb2.BatchCreateEntryRequest(entries=entries), timeout=_SECONDS
            )
            took, used = time.monotonic() - began, cpu_seconds() - used
            steps.append(Step(first, took / len(entries), used / len(entries)))
            _check(answer.results)
    return steps


async def remove(socket: Path, number: int) -> None:
    """Delete what ``write`` wrote."""
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub = entry_pb2_grpc.EntryStub(channel)
        for first in range(0, number, BATCH):
            ids = [_entry_id(index) for index in range(first, min(first + BATCH, number))]
            answer = await stub.BatchDeleteEntry(
                entry_pb2.BatchDeleteEntryRequest(ids=ids), timeout=_SECONDS
            )
            _check(answer.results)


def _check(
    results: Sequence[
        entry_pb2.BatchCreateEntryResponse.Result | entry_pb2.BatchDeleteEntryResponse.Result
    ],
) -> None:
    for result in results:
        if result.status.code != grpc.StatusCode.OK.value[0]:
            raise RuntimeError(f"the SPIRE server refused an entry: {result.status.message}")
