"""Pods of a cluster with what templates see around them; only what is needed is read."""

from collections.abc import Iterable

import msgspec

from api.codec import JSONObject, decode, decode_object
from api.kinds import ENDPOINT_SLICE, JOB, NAMESPACE, NODE, POD, REPLICA_SET, Kind
from api.meta import KubeObject, ObjectKey
from manager.rendering.pods import (
    Around,
    SeenPod,
    controller_of,
    metadata_of,
    pod_node,
    seen,
)
from registrar.claims.serviceaddresses import pods_in_slice, service_of
from registrar.kube.client import list_request, read_page
from registrar.kube.errors import NotFound
from registrar.kube.session import Request, Session

CALL_SECONDS = 15.0
_PAGE = 500


async def pods_of_cluster(
    session: Session,
    names: Iterable[ObjectKey],
    *,
    namespace: str,
    needs_owners: bool,
    needs_services: bool,
) -> list[SeenPod]:
    """Those of the names, else all of the namespace, or of all where it is empty.

    Raises KubeError for what cannot be read, and NotFound for a name that nobody has.
    """
    wanted = list(names)
    if wanted:
        found = [await _one(session, POD, key) for key in wanted]
    else:
        found = await _all(session, POD, namespace)
    around = Around(is_complete=True)
    for pod in found:
        await _look_around(session, pod, around, needs_owners=needs_owners)
    if needs_services:
        await _services(session, {metadata_of(pod).namespace for pod in found}, around)
    return [seen(pod, around) for pod in found]


async def _look_around(
    session: Session, pod: JSONObject, around: Around, *, needs_owners: bool
) -> None:
    """Read a Pod's Node, Namespace and owner, each once."""
    meta = metadata_of(pod)
    node = pod_node(pod)
    if node and node not in around.nodes:
        await _take(session, NODE, ObjectKey("", node), around)
    if meta.namespace not in around.namespaces:
        await _take(session, NAMESPACE, ObjectKey("", meta.namespace), around)
    owner = controller_of(meta)
    if not needs_owners or owner is None:
        return
    for kind in (REPLICA_SET, JOB):
        is_known = (kind.kind, meta.namespace, owner.name) in around.owned
        if owner.kind == kind.kind and not is_known:
            await _take(session, kind, ObjectKey(meta.namespace, owner.name), around)


async def _take(session: Session, kind: Kind[KubeObject], key: ObjectKey, around: Around) -> None:
    """Read an object, if it is there."""
    try:
        document = await _one(session, kind, key)
    except NotFound:
        return
    around.take({"kind": kind.kind, **document})


async def _one(session: Session, kind: Kind[KubeObject], key: ObjectKey) -> JSONObject:
    request = Request("GET", kind.object_path(key), deadline_seconds=CALL_SECONDS)
    return decode_object(await session.call(request))


async def _all(session: Session, kind: Kind[KubeObject], namespace: str) -> list[JSONObject]:
    token, found = "", list[JSONObject]()
    while True:
        request = list_request(kind, limit=_PAGE, continue_token=token, namespace=namespace)
        page = read_page(await session.call(request))
        found += [decode_object(item) for item in page.items]
        token = page.continue_token
        if not token:
            return found


async def _services(session: Session, namespaces: Iterable[str], around: Around) -> None:
    """Which services name which Pods."""
    naming: dict[ObjectKey, set[str]] = {}
    for namespace in sorted(namespaces):
        for document in await _all(session, ENDPOINT_SLICE, namespace):
            found = decode(msgspec.json.encode(document), ENDPOINT_SLICE.type)
            service = service_of(found)
            for pod in pods_in_slice(found) if service is not None else ():
                naming.setdefault(pod, set()).add("" if service is None else service.name)
    around.services = {pod: tuple(sorted(names)) for pod, names in naming.items()}
