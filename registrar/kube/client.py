"""Typed reads and writes of single objects; every write passes the gate.

The gate is asked at the moment of the write, and again when it is about to be
sent: a process that has lost its Lease stops writing even where some code has
not noticed yet.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from api.codec import DecodeError, JSONObject, decode, encode
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from registrar.kube.errors import Invalid, KubeError, NotLeading, Undecodable
from registrar.kube.session import API, Request
from registrar.telemetry.observers import CallObserver, Silent

T = TypeVar("T", bound=KubeObject)

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What to accept where only the metadata of objects is wanted, in a watch and in a list."""

WRITE_SECONDS = 15.0
PAGE_SECONDS = 60.0


class ListMeta(msgspec.Struct, rename="camel"):
    """The metadata of a list."""

    resource_version: str = ""
    # ``continue`` on the wire; a keyword in Python.
    continue_: str = msgspec.field(name="continue", default="")


class _Kinded(msgspec.Struct):
    kind: str = ""


class _RawList(msgspec.Struct):
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, its items as JSON bytes; ``continue_token`` is empty on the last."""

    items: tuple[bytes, ...]
    continue_token: str
    resource_version: str


class KubeClient:
    """Reads and writes through one Session. All methods raise KubeError and nothing else.

    ``gate`` says whether writes are allowed now; NotLeading is raised where
    not. ``observer`` hears of the calls of this client; one given to the
    Session hears of all of them, so give it in one of the two places.
    """

    def __init__(
        self,
        session: API,
        *,
        gate: Callable[[], bool] = lambda: True,
        observer: CallObserver | None = None,
    ) -> None:
        self._session = session
        self._gate = gate
        self._observer = observer or Silent()

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Read one object."""
        return self._typed(kind, await self._call(Request("GET", _path(kind, key))))

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:
        """Create; gives the object as stored. AlreadyExists where the name is taken."""
        scope = ObjectKey(namespace or obj.metadata.namespace, "")
        return await self._write(kind, "POST", _path(kind, scope), _body(kind, obj))

    async def merge_patch(
        self, kind: Kind[T], key: ObjectKey, patch: JSONObject, *, subresource: str = ""
    ) -> T:
        """Apply an RFC 7396 patch; put ``metadata.resourceVersion`` in to demand that version."""
        return await self._write(
            kind,
            "PATCH",
            _path(kind, key, subresource),
            encode(patch),
            content_type="application/merge-patch+json",
        )

    async def delete(
        self, kind: Kind[T], key: ObjectKey, *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Delete, if it is still that very object (uid) or version; Conflict where it is not.

        Tells whether it is gone: False for one that is only marked, as those with
        finalizers are. NotFound where there is none.
        """
        options: JSONObject = {"propagationPolicy": "Background"}
        preconditions: JSONObject = {}
        if uid:
            preconditions["uid"] = uid
        if resource_version:
            preconditions["resourceVersion"] = resource_version
        if preconditions:
            options["preconditions"] = preconditions
        self._check_gate("DELETE", kind)
        reply = await self._call(
            Request(
                "DELETE",
                _path(kind, key),
                body=encode(options),
                deadline_seconds=WRITE_SECONDS,
                gate=self._gate,
            )
        )
        # What is gone is answered with a Status, what is only marked with the object itself.
        try:
            return decode(reply, _Kinded).kind == "Status"
        except DecodeError:
            return False

    async def page(
        self,
        kind: Kind[T],
        *,
        limit: int,
        continue_token: str = "",
        label_selector: str = "",
        field_selector: str = "",
        namespace: str = "",
    ) -> Page:
        """One page of all objects of the kind, undecoded. Gone when the token has expired."""
        request = list_request(
            kind,
            limit=limit,
            continue_token=continue_token,
            label=label_selector,
            field=field_selector,
            namespace=namespace,
        )
        return read_page(await self._call(request))

    async def _write(
        self,
        kind: Kind[T],
        method: str,
        path: str,
        body: bytes,
        content_type: str = "application/json",
    ) -> T:
        self._check_gate(method, kind)
        request = Request(
            method,
            path,
            body=body,
            content_type=content_type,
            deadline_seconds=WRITE_SECONDS,
            gate=self._gate,
        )
        return self._typed(kind, await self._call(request))

    def _check_gate(self, method: str, kind: Kind[T]) -> None:
        if not self._gate():
            raise NotLeading(f"{method} {kind.resource}: not the leader", 0, "NotLeading")

    async def _call(self, request: Request) -> bytes:
        started = time.monotonic()
        code = "200"
        try:
            return await self._session.call(request)
        except KubeError as error:
            code = str(error.status) if error.status else "<error>"
            raise
        finally:
            self._observer.called(
                request.method, self._session.host, code, time.monotonic() - started
            )

    @staticmethod
    def _typed(kind: Kind[T], reply: bytes) -> T:
        try:
            return decode(reply, kind.type)
        except DecodeError as error:
            raise Undecodable(f"{kind.resource}: {error}", 0, "Undecodable") from error


def list_request(
    kind: Kind[T],
    *,
    limit: int,
    continue_token: str = "",
    label: str = "",
    field: str = "",
    namespace: str = "",
    metadata_only: bool = False,
) -> Request:
    """The request for one page of a consistent list; ``limit`` 0 asks for all at once."""
    query: dict[str, str] = {}
    if limit:
        query["limit"] = str(limit)
    if continue_token:
        query["continue"] = continue_token
    if label:
        query["labelSelector"] = label
    if field:
        query["fieldSelector"] = field
    return Request(
        "GET",
        kind.path(namespace),
        query,
        accept=METADATA_LIST if metadata_only else JSON,
        deadline_seconds=PAGE_SECONDS,
    )


def read_page(reply: bytes) -> Page:
    """Split the reply to ``list_request``. Raises Invalid when it is no list."""
    try:
        listed = decode(reply, _RawList)
    except DecodeError as error:
        raise Invalid(f"not a list: {error}", 0, "Undecodable") from error
    return Page(
        tuple(bytes(item) for item in listed.items or ()),
        listed.metadata.continue_,
        listed.metadata.resource_version,
    )


def _body(kind: Kind[T], obj: T) -> bytes:
    typed = msgspec.structs.replace(obj, api_version=kind.api_version, kind=kind.kind)
    return encode(typed)


def _path(kind: Kind[T], key: ObjectKey, subresource: str = "") -> str:
    for part in key:
        # What Kubernetes forbids in a path segment; such a name would address something else.
        if part in {".", ".."} or not part.isascii() or any(c in part for c in "/%?# \r\n"):
            raise Invalid(f"{kind.resource}: {part!r} cannot be a name", 0, "InvalidName")
    return kind.object_path(key, subresource)
