"""The Pods of many owners are found in one look at their Namespace."""

import asyncio

from api.meta import ObjectKey, OwnerReference
from manager.sources.ownedpods import OwnedPods

WEB, DB = ObjectKey("shop", "web"), ObjectKey("shop", "db")


async def test_a_namespace_is_looked_through_once_for_a_burst_of_owners() -> None:
    owners = {WEB: [OwnerReference(name="web-1")], DB: [OwnerReference(name="db-1")]}
    looks: list[str] = []

    def pods(namespace: str) -> list[ObjectKey]:
        looks.append(namespace)
        return [pod for pod in owners if pod.namespace == namespace]

    owned = OwnedPods(pods, owners.__getitem__)
    found = [list(owned(ObjectKey("shop", name))) for name in ("web-1", "db-1", "no-1")]
    assert found == [[WEB], [DB], []]
    assert looks == ["shop"]
    assert list(owned(ObjectKey("bank", "web-1"))) == []
    # What changes is seen after others had their turn.
    owners[DB] = [OwnerReference(name="web-1")]
    await asyncio.sleep(0)
    assert list(owned(ObjectKey("shop", "web-1"))) == [WEB, DB]
    assert looks == ["shop", "bank", "shop"]
