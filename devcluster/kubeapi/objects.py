"""The life of an object: made, replaced, patched. Its end is in `deletion.py`.

Every write comes through here: shape, defaults, rules, generation, ownership of fields, and
one put into the store. Nothing here awaits, so a write is atomic.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from devcluster.kubeapi import conversion, intake, metadata, ownership, prepare, shaping, validation
from devcluster.kubeapi.documents import (
    JSONObject,
    child,
    copy_of,
    make_child,
    seq,
    text,
)
from devcluster.kubeapi.ownership import Manager, Owned
from devcluster.kubeapi.protobuf import Messages
from devcluster.kubeapi.resources import Registry, Resource
from devcluster.kubeapi.rules import Rules
from devcluster.kubeapi.status import (
    APIError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    unclassified,
)
from devcluster.kubeapi.storage import ObjectKey, Store, Stored

_SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_NAMESPACES = ("", "namespaces")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a request wants its write done."""

    manager: str = "unknown"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to. `stored` has revision 0 in a dry run."""

    stored: Stored
    created: bool = False
    removed: bool = False
    warnings: list[str] = field(default_factory=list)


class Objects:
    """Creates and changes objects in the store."""

    def __init__(self, store: Store, registry: Registry, messages: Messages) -> None:
        self.store = store
        self.registry = registry
        self.messages = messages
        self._rules = Rules()

    def get(self, resource: Resource, key: ObjectKey) -> Stored:
        """What is stored.

        Raises:
            APIError: Nothing is.
        """
        found = self.store.get(resource.store_key, key)
        if found is None:
            raise not_found(resource.group, resource.plural, key[1])
        return found

    def create(
        self,
        resource: Resource,
        namespace: str,
        document: JSONObject,
        options: WriteOptions,
        managers: dict[Manager, Owned] | None = None,
    ) -> Written:
        """Makes an object of the document, which must not be used afterwards.

        `managers` is given by an apply, which knows the owners of fields itself.

        Raises:
            APIError: The name is taken, the namespace is missing or going, or the object is bad.
        """
        meta = make_child(document, "metadata")
        given = text(meta, "namespace")
        if resource.namespaced and given and given != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        if text(meta, "resourceVersion"):
            raise unclassified("resourceVersion should not be set on objects to be created")
        warnings = intake.shape(resource, document, options.field_validation)
        meta = make_child(document, "metadata")
        base = text(meta, "generateName")
        if base and not text(meta, "name"):
            meta["name"] = metadata.generated_name(base)
        name = text(meta, "name")
        self._check_namespace(resource, namespace, name)
        _stamp(resource, meta, namespace)
        if resource.has_status and resource.custom:
            document.pop("status", None)
        document = conversion.to_stored(resource, document)
        stored_as = self._stored_resource(resource)
        if resource.custom:
            shaping.fill_defaults(document, stored_as.schema)
        prepare.settle(stored_as, document)
        applied = copy_of(document) if managers is None else document
        prepare.prepare(stored_as, document)
        self._check(resource, document, None)
        key = (namespace, name)
        if self.store.get(resource.store_key, key) is not None:
            raise already_exists(resource.group, resource.plural, name)
        if managers is None:
            manager = Manager("Update", options.manager, resource.api_version, options.subresource)
            ownership.record_update(None, applied, stored_as.schema, manager)
            owners = child(applied, "metadata").get("managedFields")
            if owners is not None:
                make_child(document, "metadata")["managedFields"] = owners
        else:
            ownership.write(document, managers)
        if options.dry_run:
            return Written(Stored(document, 0, b""), created=True, warnings=warnings)
        return Written(
            self.store.put(resource.store_key, key, document), created=True, warnings=warnings
        )

    def _stored_resource(self, resource: Resource) -> Resource:
        if resource.stored_version == resource.api_version:
            return resource
        return self.registry.stored(resource.store_key) or resource

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(_NAMESPACES, ("", namespace))
        if found is None:
            raise not_found("", "namespaces", namespace)
        if text(found.document, "status", "phase") == "Terminating":
            raise forbidden(
                resource.group,
                resource.plural,
                name,
                f"unable to create new content in namespace {namespace} because it is being"
                " terminated",
                Cause(
                    "NamespaceTerminating",
                    f"namespace {namespace} is being terminated",
                    "metadata.namespace",
                ),
            )

    def _check(self, resource: Resource, document: JSONObject, before: JSONObject | None) -> None:
        causes: list[Cause] = []
        schema = self._stored_resource(resource).schema
        if resource.custom:
            causes += validation.validate(document, schema, before=before)
        causes += metadata.check(document, resource.name_style)
        causes += prepare.check(resource, document)
        if before is not None:
            causes += metadata.check_update(before, document)
        if resource.custom:
            causes += self._rules.check(document, before, schema, causes)
        if causes:
            name = text(document, "metadata", "name")
            raise invalid(resource.group, resource.kind, name, causes)

    def change(
        self,
        resource: Resource,
        key: ObjectKey,
        make: Callable[[JSONObject], JSONObject],
        options: WriteOptions,
        managers: Callable[[], dict[Manager, Owned]] | None = None,
    ) -> Written:
        """Stores what `make` makes of a copy of the object in the resource's version.

        Nothing is written where nothing changed. An object that is going and has lost its last
        finalizer is removed.

        Raises:
            APIError: There is no such object, it is another than the one meant, or it would be bad.
        """
        current = self.get(resource, key)
        before = current.document
        shown = copy_of(conversion.from_stored(resource, before))
        document = make(shown)
        intake.check_type(resource, document)
        _check_identity(resource, key, before, document)
        warnings = intake.shape(resource, document, options.field_validation)
        document = conversion.to_stored(resource, document)
        stored_as = self._stored_resource(resource)
        _keep_server_fields(before, document)
        _separate(resource, before, document, options.subresource)
        if resource.custom:
            shaping.fill_defaults(document, stored_as.schema)
        prepare.settle(stored_as, document)
        if stored_as.generation and _spec_changed(resource, before, document):
            meta = make_child(document, "metadata")
            generation = child(before, "metadata").get("generation")
            meta["generation"] = (generation if isinstance(generation, int) else 0) + 1
        self._check(resource, document, before)
        if managers is None:
            manager = Manager("Update", options.manager, resource.api_version, options.subresource)
            ownership.record_update(before, document, stored_as.schema, manager)
        else:
            ownership.write(document, managers())
        return self._store(resource, key, current, document, options, warnings)

    def _store(
        self,
        resource: Resource,
        key: ObjectKey,
        current: Stored,
        document: JSONObject,
        options: WriteOptions,
        warnings: list[str],
    ) -> Written:
        meta = make_child(document, "metadata")
        meta["resourceVersion"] = str(current.revision)
        if document == current.document:
            return Written(current, warnings=warnings)
        finished = is_finished(document) and bool(text(meta, "deletionTimestamp"))
        if options.dry_run:
            return Written(Stored(document, 0, b""), removed=finished, warnings=warnings)
        if finished:
            removed = self.store.remove(resource.store_key, key, document)
            return Written(removed, removed=True, warnings=warnings)
        return Written(self.store.put(resource.store_key, key, document), warnings=warnings)


def is_finished(document: JSONObject) -> bool:
    """Whether nothing holds a deleted object back any more."""
    meta = child(document, "metadata")
    if seq(meta.get("finalizers")) or meta.get("deletionGracePeriodSeconds"):
        return False
    is_namespace = text(document, "kind") == "Namespace" and text(document, "apiVersion") == "v1"
    return not (is_namespace and seq(child(document, "spec").get("finalizers")))


def _stamp(resource: Resource, meta: JSONObject, namespace: str) -> None:
    for name in (*_SERVER_FIELDS, "managedFields", "selfLink"):
        meta.pop(name, None)
    if resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    meta["uid"] = metadata.new_uid()
    meta["creationTimestamp"] = metadata.now()
    if resource.generation:
        meta["generation"] = 1


def _check_identity(
    resource: Resource, key: ObjectKey, before: JSONObject, document: JSONObject
) -> None:
    meta, old = child(document, "metadata"), child(before, "metadata")
    name = text(meta, "name")
    if name and name != key[1]:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({key[1]})"
        )
    namespace = text(meta, "namespace")
    if namespace and namespace != key[0]:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the"
            f" request ({key[0]})"
        )
    uid = text(meta, "uid")
    if uid and uid != text(old, "uid"):
        raise conflict(
            resource.group,
            resource.plural,
            key[1],
            f"Precondition failed: UID in precondition: {uid}, UID in object meta:"
            f" {text(old, 'uid')}",
        )
    revision = text(meta, "resourceVersion")
    if revision and not revision.isdigit():
        raise bad_request(f'strconv.ParseUint: parsing "{revision}": invalid syntax')
    if revision not in {"", "0", text(old, "resourceVersion")}:
        raise conflict(resource.group, resource.plural, key[1])


def require_revision(resource: Resource, document: JSONObject) -> None:
    """A custom object is only replaced by someone who says which revision is meant.

    Raises:
        APIError: The document does not say.
    """
    if not resource.custom or text(document, "metadata", "resourceVersion") not in {"", "0"}:
        return
    cause = Cause(
        "FieldValueInvalid",
        "Invalid value: 0: must be specified for an update",
        "metadata.resourceVersion",
    )
    name = text(document, "metadata", "name")
    error: APIError = invalid(resource.group, resource.plural, name, [cause])
    raise error


def _keep_server_fields(before: JSONObject, document: JSONObject) -> None:
    old, meta = child(before, "metadata"), make_child(document, "metadata")
    for name in (*_SERVER_FIELDS, "name", "namespace"):
        if name in old:
            meta[name] = old[name]
        else:
            meta.pop(name, None)


def _separate(
    resource: Resource, before: JSONObject, document: JSONObject, subresource: str
) -> None:
    """A status write changes the status only, any other write everything but the status."""
    if not resource.has_status:
        return
    if subresource == "status":
        _keep_all_but_status(resource, before, document)
    elif not subresource:
        document.pop("status", None)
        if "status" in before:
            document["status"] = copy_of({"status": before["status"]})["status"]


def _keep_all_but_status(resource: Resource, before: JSONObject, document: JSONObject) -> None:
    status, given = document.get("status"), child(document, "metadata")
    document.clear()
    document.update(copy_of({key: item for key, item in before.items() if key != "status"}))
    if status is not None:
        document["status"] = status
    # A built-in kind takes labels and the like through its status path, a custom one does not.
    taken = () if resource.custom else ("labels", "annotations", "finalizers", "ownerReferences")
    meta = make_child(document, "metadata")
    meta.update({name: given[name] for name in (*taken, "managedFields") if name in given})


def _spec_changed(resource: Resource, before: JSONObject, document: JSONObject) -> bool:
    ignored = {"metadata", "status"} if resource.has_status else {"metadata"}
    keys = (before.keys() | document.keys()) - ignored
    return any(before.get(key) != document.get(key) for key in keys)
