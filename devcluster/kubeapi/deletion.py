"""The end of an object: preconditions, grace, finalizers, propagation."""

import datetime as dt
from dataclasses import dataclass

from devcluster.kubeapi import metadata
from devcluster.kubeapi.documents import (
    JSONObject,
    JSONValue,
    at,
    child,
    copy_of,
    make_child,
    seq,
    text,
)
from devcluster.kubeapi.objects import Objects, is_finished
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.status import APIError, bad_request, conflict
from devcluster.kubeapi.storage import ObjectKey, Stored

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How an object is to be deleted. `grace_seconds` None leaves it to the kind."""

    propagation: str = "Background"
    uid: str = ""
    revision: str = ""
    grace_seconds: int | None = None
    dry_run: bool = False


def read_options(body: JSONObject, query: dict[str, str]) -> DeleteOptions:
    """The options of a request, from its body and its query.

    Raises:
        APIError: They contradict each other or say nothing known.
    """
    propagation = text(body, "propagationPolicy") or query.get("propagationPolicy", "")
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    if not propagation and orphan is not None:
        propagation = "Orphan" if orphan in {True, "true"} else "Background"
    if propagation not in {"", "Background", "Foreground", "Orphan"}:
        raise bad_request(f"invalid propagationPolicy: {propagation}")
    grace: JSONValue = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    if isinstance(grace, str):
        grace = int(grace) if grace.isdigit() else None
    return DeleteOptions(
        propagation=propagation or "Background",
        uid=text(body, "preconditions", "uid"),
        revision=text(body, "preconditions", "resourceVersion"),
        grace_seconds=grace if isinstance(grace, int) else None,
        dry_run=bool(seq(body.get("dryRun")) or query.get("dryRun")),
    )


def _check_preconditions(
    resource: Resource, name: str, stored: Stored, options: DeleteOptions
) -> None:
    uid = text(stored.document, "metadata", "uid")
    why = ""
    if options.uid and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record"
            f" ({uid}). The object might have been deleted and then recreated"
        )
    elif options.revision and options.revision != str(stored.revision):
        why = (
            f"the ResourceVersion in the precondition ({options.revision}) does not match the"
            f" ResourceVersion in record ({stored.revision}). The object might have been modified"
        )
    if why:
        error: APIError = conflict(resource.group, resource.kind, name, why)
        raise error


def _grace(resource: Resource, document: JSONObject, options: DeleteOptions) -> int:
    """How long the object may linger: only a Pod that a node runs does."""
    if resource.kind != "Pod" or resource.custom:
        return 0
    if not text(document, "spec", "nodeName"):
        return 0
    if text(document, "status", "phase") in {"Succeeded", "Failed"}:
        return 0
    if options.grace_seconds is not None:
        return options.grace_seconds
    configured = at(document, "spec", "terminationGracePeriodSeconds")
    return configured if isinstance(configured, int) else 30


def _later(seconds: int) -> str:
    then = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def _finalizers(document: JSONObject, propagation: str) -> list[JSONValue]:
    """The finalizers that the propagation asks for, beside those of others."""
    kept = [
        item
        for item in seq(child(document, "metadata").get("finalizers"))
        if item not in {FOREGROUND, ORPHAN}
    ]
    match propagation:
        case "Foreground":
            return [*kept, FOREGROUND]
        case "Orphan":
            return [*kept, ORPHAN]
        case _:
            return kept


def delete(
    objects: Objects, resource: Resource, key: ObjectKey, options: DeleteOptions
) -> tuple[Stored, bool]:
    """Deletes the object, or marks it as going while something holds it back.

    Returns:
        The last or the present state, and whether the object is gone.

    Raises:
        APIError: There is no such object, or it is not the one meant.
    """
    stored = objects.get(resource, key)
    _check_preconditions(resource, key[1], stored, options)
    document = copy_of(stored.document)
    if text(document, "metadata", "deletionTimestamp"):
        _hasten(document, _grace(resource, document, options))
    else:
        _mark(resource, document, options)
    gone = is_finished(document)
    if options.dry_run:
        return Stored(document, stored.revision, b""), gone
    if gone:
        # Only a Pod passes through the state of going when nothing holds it back.
        immediate = resource.custom or resource.kind != "Pod"
        if immediate and not text(stored.document, "metadata", "deletionTimestamp"):
            document = copy_of(stored.document)
        return objects.store.remove(resource.store_key, key, document), True
    if document == stored.document:
        return stored, False
    return objects.store.put(resource.store_key, key, document), False


def _hasten(document: JSONObject, grace: int) -> None:
    """Shortens the grace of what is going already; it is never made longer."""
    meta = make_child(document, "metadata")
    remaining = meta.get("deletionGracePeriodSeconds")
    if isinstance(remaining, int) and grace < remaining:
        meta["deletionGracePeriodSeconds"] = grace


def _mark(resource: Resource, document: JSONObject, options: DeleteOptions) -> None:
    """Writes down that the object is going, and what it has to wait for."""
    meta = make_child(document, "metadata")
    grace = _grace(resource, document, options)
    finalizers = _finalizers(document, options.propagation)
    if finalizers:
        meta["finalizers"] = finalizers
    meta["deletionTimestamp"] = _later(grace) if grace else metadata.now()
    generation = meta.get("generation")
    if isinstance(generation, int):
        meta["generation"] = generation + 1
    if resource.kind == "Namespace" and not resource.custom:
        make_child(document, "status")["phase"] = "Terminating"
    else:
        meta["deletionGracePeriodSeconds"] = grace


def deleted_details(resource: Resource, stored: Stored) -> JSONObject:
    """What the answer to a completed deletion says about the object."""
    details: JSONObject = {"name": text(stored.document, "metadata", "name")}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    details["uid"] = text(stored.document, "metadata", "uid")
    return details
