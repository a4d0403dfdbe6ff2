"""The verbs on resources, one function each: from a request to an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devcluster.kubeapi import apply, conversion, deletion, intake, listing, patch, protobuf
from devcluster.kubeapi.documents import (
    DecodeError,
    JSONObject,
    JSONValue,
    decode,
    encode,
    make_child,
    obj,
    text,
)
from devcluster.kubeapi.objects import Objects, Written, require_revision
from devcluster.kubeapi.ownership import Manager
from devcluster.kubeapi.requests import Request, write_options
from devcluster.kubeapi.status import (
    Cause,
    bad_request,
    conflict,
    invalid,
    method_not_allowed,
    success,
    unsupported_media_type,
)
from devcluster.kubeapi.storage import Stored

_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: bytes of JSON, or objects that may still become a table."""

    code: int = 200
    body: bytes = b""
    stored: Stored | None = None
    page: listing.Page | None = None
    warnings: list[str] = field(default_factory=list)


def _shown(request: Request, written: Written, code: int) -> Answer:
    return Answer(code=code, stored=written.stored, warnings=_warnings(request, written.warnings))


def _warnings(request: Request, more: list[str]) -> list[str]:
    return [request.resource.warning, *more] if request.resource.warning else more


def read_body(objects: Objects, request: Request) -> JSONObject:
    """The body as an object of the resource.

    Raises:
        APIError: It is something else.
    """
    kind = request.content_type
    resource = request.resource
    if kind.startswith(protobuf.CONTENT_TYPE) and not resource.custom:
        document = objects.messages.read(request.body, resource.schema_name, resource.schema)
        intake.check_type(resource, document)
        return document
    if kind and "json" not in kind and "yaml" not in kind:
        raise unsupported_media_type(["application/json", "application/yaml"])
    return intake.read_object(resource, request.body, kind)


def get(objects: Objects, request: Request) -> Answer:
    """One object."""
    return Answer(
        stored=objects.get(request.resource, request.key), warnings=_warnings(request, [])
    )


def list_(objects: Objects, request: Request) -> Answer:
    """Many objects."""
    options = listing.read_options(request.query)
    page = listing.select(objects.store, request.resource, request.namespace, options)
    return Answer(page=page, warnings=_warnings(request, []))


def create(objects: Objects, request: Request) -> Answer:
    """A new object."""
    options = write_options(request)
    written = objects.create(
        request.resource, request.namespace or "", read_body(objects, request), options
    )
    return _shown(request, written, 201)


def update(objects: Objects, request: Request) -> Answer:
    """An object in place of the present one."""
    document = read_body(objects, request)
    require_revision(request.resource, document)
    written = objects.change(
        request.resource, request.key, lambda _: document, write_options(request)
    )
    return _shown(request, written, 200)


def patch_(objects: Objects, request: Request) -> Answer:
    """A change of the present object."""
    kind = request.content_type.partition(";")[0].strip()
    accepted = [_JSON, _MERGE, _APPLY]
    if not request.resource.custom:
        accepted.insert(2, _STRATEGIC)
    if kind not in accepted:
        raise unsupported_media_type(accepted)
    if kind == _APPLY:
        return _apply(objects, request)
    try:
        change: JSONValue = decode(request.body)
    except DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    schema = request.resource.schema

    def make(document: JSONObject) -> JSONObject:
        if kind == _JSON:
            return patch.json_patch(document, change)
        if not isinstance(change, dict):
            raise bad_request("error decoding patch: a merge patch is an object")
        if kind == _MERGE:
            return patch.merge(document, change)
        return patch.strategic(document, change, schema)

    written = objects.change(request.resource, request.key, make, write_options(request))
    return _shown(request, written, 200)


def _apply(objects: Objects, request: Request) -> Answer:
    resource = request.resource
    if not request.query.get("fieldManager"):
        cause = Cause(
            "FieldValueRequired", "Required value: is required for apply patch", "fieldManager"
        )
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
    config = intake.read_object(resource, request.body, "application/yaml")
    if "managedFields" in obj(config.get("metadata")):
        raise bad_request("metadata.managedFields must be nil")
    options = write_options(request)
    warnings = intake.shape(resource, config, options.field_validation)
    meta = make_child(config, "metadata")
    if text(meta, "name") not in {"", request.name}:
        raise bad_request(
            f"the name of the object ({text(meta, 'name')}) does not match the name on the URL"
            f" ({request.name})"
        )
    meta["name"] = request.name
    if resource.has_status and not request.subresource:
        config.pop("status", None)
    manager = Manager("Apply", options.manager, resource.api_version, request.subresource)
    present = objects.store.get(resource.store_key, request.key)
    if present is None:
        if request.subresource:
            objects.get(resource, request.key)
        made = apply.apply({}, config, resource.schema, manager, force=options.force)
        written = objects.create(
            resource, request.namespace or "", made.document, options, made.managers
        )
        return _shown(request, _also(written, warnings), 201)
    live = conversion.from_stored(resource, present.document)
    applied = apply.apply(live, config, resource.schema, manager, force=options.force)
    written = objects.change(
        resource, request.key, lambda _: applied.document, options, lambda: applied.managers
    )
    return _shown(request, _also(written, warnings), 200)


def _also(written: Written, warnings: list[str]) -> Written:
    return Written(
        stored=written.stored,
        created=written.created,
        removed=written.removed,
        warnings=warnings or written.warnings,
    )


def _delete_options(request: Request) -> deletion.DeleteOptions:
    body = intake.read_json(request.body, request.content_type) if request.body else {}
    return deletion.read_options(obj(body), request.query)


def delete(objects: Objects, request: Request) -> Answer:
    """The end of an object, or its beginning."""
    options = _delete_options(request)
    stored, gone = deletion.delete(objects, request.resource, request.key, options)
    if gone and request.resource.kind != "Pod":
        return Answer(body=encode(success(deletion.deleted_details(request.resource, stored))))
    return Answer(stored=stored)


def delete_collection(objects: Objects, request: Request) -> Answer:
    """The end of everything that a list would show."""
    page = listing.select(
        objects.store, request.resource, request.namespace, listing.read_options(request.query)
    )
    options = _delete_options(request)
    for stored in page.items:
        meta = obj(stored.document.get("metadata"))
        key = (text(meta, "namespace"), text(meta, "name"))
        deletion.delete(objects, request.resource, key, options)
    return Answer(page=listing.Page(page.items, objects.store.revision))


def bind(objects: Objects, request: Request) -> Answer:
    """A Pod's place on a node, as the scheduler says it."""
    body = obj(intake.read_json(request.body, request.content_type))
    node = text(body, "target", "name")

    def make(document: JSONObject) -> JSONObject:
        spec = make_child(document, "spec")
        if text(spec, "nodeName"):
            why = f'pod {request.name} is already assigned to node "{text(spec, "nodeName")}"'
            raise conflict("", "pods/binding", request.name, why)
        spec["nodeName"] = node
        return document

    objects.change(request.resource, request.key, make, write_options(request))
    return Answer(
        code=201,
        body=encode(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "code": 201,
            }
        ),
    )


_VERBS: Mapping[tuple[str, str, bool], Callable[[Objects, Request], Answer]] = {
    ("", "get", True): get,
    ("", "update", True): update,
    ("", "patch", True): patch_,
    ("", "delete", True): delete,
    ("", "list", False): list_,
    ("", "create", False): create,
    ("", "deletecollection", False): delete_collection,
    ("status", "get", True): get,
    ("status", "update", True): update,
    ("status", "patch", True): patch_,
    ("finalize", "update", True): update,
    ("binding", "create", True): bind,
    ("eviction", "create", True): delete,
}
"""What is done, by subresource, verb, and whether one object is named."""


def handle(objects: Objects, request: Request) -> Answer:
    """Does what the request asks, except watching.

    Raises:
        APIError: It cannot be done.
    """
    verb = _VERBS.get((request.subresource, request.verb, bool(request.name)))
    if verb is None:
        raise method_not_allowed()
    return verb(objects, request)
