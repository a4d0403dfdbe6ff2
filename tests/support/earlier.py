"""What earlier versions left: entries and records that name no mode; and who watches entries."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from api.codec import JSONObject, convert, to_json
from api.kinds import NAMESPACE, SPIRE_ENTRY
from api.proto.types_pb2 import Entry
from api.spiffeid.v1beta1.spireentry import INSTANCE_LABEL, SpireEntry
from devcluster.spire.server import SpireServer
from registrar.claims.naming import Naming
from registrar.claims.ownership import default_prefixes, workload_prefixes
from registrar.claims.record import key_of
from registrar.spire.convert import from_proto
from tests.support.setup import Setup, eventually


async def make_earlier(
    setup: Setup,
    *,
    workload: bool = False,
    class_name: str = "",
    prefix: str = "",
    with_records: bool = True,
) -> None:
    """Give all entries and records the IDs and names that the version before gave them.

    No registrar may run. ``prefix`` is a configured one.
    """
    former = prefix or await _former(setup, workload=workload, class_name=class_name)
    names = Naming(class_name)
    records = await all_records(setup)
    renamed = {}
    for entry in setup.all_entries():
        name = names.candidate(from_proto(entry).key)
        renamed[entry.id] = _rename(setup, entry, f"{former}.{name}")
    for record in records:
        await setup.client.delete(SPIRE_ENTRY.path("", record.metadata.name))
        if with_records:
            key = key_of(record)
            assert key is not None
            name = names.candidate(key)
            await setup.client.create(
                SPIRE_ENTRY.path(),
                _former_record(record, name, renamed[record.status.entry_id], class_name),
            )


async def all_records(setup: Setup) -> list[SpireEntry]:
    """All SpireEntries."""
    items = (await setup.client.get(SPIRE_ENTRY.path()))["items"]
    assert isinstance(items, list)
    return [convert(item, SpireEntry) for item in items]


async def until_recorded(setup: Setup, ids: Callable[[], set[str]]) -> list[SpireEntry]:
    """Wait until every entry has one record, Ready, and there is no other record."""

    async def are_recorded() -> bool:
        records = await all_records(setup)
        found = sorted(r.status.entry_id for r in records)
        return found == sorted(ids()) and all(
            c.status == "True" for r in records for c in r.status.conditions if c.type == "Ready"
        )

    try:
        await eventually(are_recorded)
    except TimeoutError:
        found = [(r.metadata.name, r.status) for r in await all_records(setup)]
        raise AssertionError(f"records: {found}; entries: {ids()}") from None
    return await all_records(setup)


async def _former(setup: Setup, *, workload: bool, class_name: str) -> str:
    cluster = setup.settings.cluster
    if workload:
        return workload_prefixes(cluster, "crd", class_name).former[0]
    document = await setup.client.get(NAMESPACE.path("", "kube-system"))
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    return default_prefixes(cluster, str(metadata["uid"]), "layered", class_name).former[0]


def _rename(setup: Setup, entry: Entry, id_: str) -> str:
    renamed = Entry()
    renamed.CopyFrom(entry)
    renamed.id = id_
    server = setup.spire_server
    if isinstance(server, SpireServer):
        server.state.delete(entry.id)
        server.state.put(renamed)
    else:
        server.delete(entry.id)
        server.put(renamed)
    return id_


def _former_record(record: SpireEntry, name: str, entry_id: str, class_name: str) -> JSONObject:
    document = to_json(record)
    assert isinstance(document, dict)
    metadata, status = document["metadata"], document["status"]
    assert isinstance(metadata, dict)
    assert isinstance(status, dict)
    document["metadata"] = {
        "name": name,
        "labels": {INSTANCE_LABEL: class_name} if class_name else {},
        "ownerReferences": metadata.get("ownerReferences", []),
    }
    status["entryId"] = entry_id
    return document


@contextlib.asynccontextmanager
async def none_missing(setup: Setup) -> AsyncIterator[None]:
    """Look again and again until the block ends: every entry of now must be there each time."""
    before = {entry.id for entry in setup.all_entries()}
    missing: set[str] = set()
    looks = 0

    async def look() -> None:
        nonlocal looks
        while True:
            missing.update(before - {entry.id for entry in setup.all_entries()})
            looks += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        yield
        looking.cancel()
    assert looks > 1
    assert not missing
