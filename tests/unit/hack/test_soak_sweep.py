"""The trap of the sweep springs at one write, and at no other."""

import asyncio
import collections
from pathlib import Path

import pytest

from hack.soak.apiproxy import Dropped, Write
from hack.soak.modes import MODES
from hack.soak.replica import Replica
from hack.soak.sweep import Part, Trap, When, part_of

LEASE = Write(0, "PUT /apis/coordination.k8s.io/v1/namespaces/spire/leases/ours")
WRITES = [Write(number, f"POST /{number}") for number in range(1, 4)]


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(0, MODES["static"], tmp_path, spire_socket=tmp_path / "s", port=1)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_springs_once_however_writes_overlap(replica: Replica, when: When) -> None:
    trap = Trap(replica, "spire", 1, when)
    dropped: list[str] = []
    arrived = asyncio.Barrier(len(WRITES))

    async def write(one: Write) -> None:
        try:
            await trap.before(one)
        except Dropped:
            dropped.append(one.name)
            one = LEASE
        await arrived.wait()
        try:
            await trap.after(one)
        except Dropped:
            dropped.append(one.name)

    await trap.before(LEASE)
    async with asyncio.TaskGroup() as tasks:
        for one in WRITES:
            tasks.create_task(write(one))
    assert dropped == ["POST /2"]
    assert trap.sprung_at == "POST /2"
    assert trap.count == len(WRITES)


def test_a_part_of_the_sweep_has_each_write_from_one_on_twice() -> None:
    numbers = collections.Counter({"spire": 3, "api": 4})
    assert list(part_of(numbers, Part(("api",), 2))) == [
        ("api", 2, "before"),
        ("api", 2, "after"),
        ("api", 3, "before"),
        ("api", 3, "after"),
    ]
    assert len(list(part_of(numbers, Part()))) == 14
