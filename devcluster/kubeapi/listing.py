"""Lists: selectors, pages, and reads at a revision."""

import base64
import binascii
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from devcluster.kubeapi import conversion
from devcluster.kubeapi.documents import DecodeError, JSONObject, decode, encode, obj, text
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.selectors import matcher
from devcluster.kubeapi.status import (
    APIError,
    Cause,
    bad_request,
    expired,
    invalid,
    revision_too_large,
)
from devcluster.kubeapi.storage import Compacted, ObjectKey, Store, Stored


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or a watch is asked for. An empty revision means the newest."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    continuation: str = ""
    revision: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_seconds: int = 0


def _int(query: dict[str, str], key: str) -> int:
    value = query.get(key, "")
    return int(value) if value.lstrip("-").isdigit() else 0


def _bool(query: dict[str, str], key: str) -> bool:
    return key in query and query[key] not in {"false", "0"}


def read_options(query: dict[str, str]) -> ListOptions:
    """The options of a query.

    Raises:
        APIError: They contradict each other.
    """
    options = ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=_int(query, "limit"),
        continuation=query.get("continue", ""),
        revision=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        watch=_bool(query, "watch"),
        bookmarks=_bool(query, "allowWatchBookmarks"),
        initial_events=(
            _bool(query, "sendInitialEvents") if "sendInitialEvents" in query else None
        ),
        timeout_seconds=_int(query, "timeoutSeconds"),
    )
    causes: list[Cause] = []
    field = "resourceVersionMatch"
    if options.initial_events is not None:
        if not options.watch:
            rule = "Forbidden: sendInitialEvents is forbidden for list"
            causes.append(Cause("FieldValueForbidden", rule, "sendInitialEvents"))
        elif options.match != "NotOlderThan":
            rule = (
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
            causes.append(Cause("FieldValueForbidden", rule, field))
    elif options.match and options.watch:
        rule = (
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is"
            " provided"
        )
        causes.append(Cause("FieldValueForbidden", rule, field))
    elif options.match and not options.revision:
        rule = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        causes.append(Cause("FieldValueForbidden", rule, field))
    if causes:
        error: APIError = invalid("meta.k8s.io", "ListOptions", "", causes)
        raise error
    return options


def parse_revision(text_: str, current: int) -> int:
    """The revision that a query names, 0 where it names none.

    Raises:
        APIError: It is no number, or has not happened yet.
    """
    if not text_:
        return 0
    if not text_.isdigit():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text_}":'
            f' strconv.ParseUint: parsing "{text_}": invalid syntax'
        )
    revision = int(text_)
    if revision > current:
        raise revision_too_large(revision, current)
    return revision


def _token(revision: int, key: ObjectKey) -> str:
    body: JSONObject = {"v": "meta.k8s.io/v1", "rv": revision, "start": "/".join(key)}
    return base64.urlsafe_b64encode(encode(body)).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, ObjectKey]:
    try:
        padded = token + "=" * (-len(token) % 4)
        body = obj(decode(base64.urlsafe_b64decode(padded)))
    except (binascii.Error, DecodeError, ValueError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    revision, start = body.get("rv"), text(body, "start")
    if not isinstance(revision, int) or "/" not in start:
        raise bad_request("invalid continue token: continue key is not valid")
    namespace, _, name = start.partition("/")
    return revision, (namespace, name)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and what its metadata says."""

    items: list[Stored]
    revision: int
    continuation: str = ""
    remaining: int | None = None


def select(store: Store, resource: Resource, namespace: str | None, options: ListOptions) -> Page:
    """The objects that a list asks for; a namespace of None means all.

    Raises:
        APIError: The options are wrong, or the revision they need is gone.
    """
    accepts = matcher(resource, options.labels, options.fields)
    table = store.table(resource.store_key)
    revision = store.revision
    start: ObjectKey | None = None
    if options.continuation:
        revision, start = _read_token(options.continuation)
    else:
        asked = parse_revision(options.revision, store.revision)
        if options.match == "Exact":
            revision = asked
    try:
        source = table.items_at(revision) if revision != store.revision else table.items()
        chosen = (
            (key, stored)
            for key, stored in source
            if (namespace is None or key[0] == namespace)
            and (start is None or key > start)
            and (accepts is None or accepts(stored.document))
        )
        return _page(chosen, revision, options)
    except Compacted as error:
        if options.continuation:
            message = (
                "The provided continue parameter is too old to display a consistent list result."
                " You can start a new list without the continue parameter."
            )
            raise expired(message) from error
        raise expired(
            f"The resourceVersion for the provided list is too old: {revision}"
        ) from error


def _page(chosen: Iterator[tuple[ObjectKey, Stored]], revision: int, options: ListOptions) -> Page:
    if not options.limit:
        return Page([stored for _, stored in chosen], revision)
    taken = list(itertools.islice(chosen, options.limit))
    rest = sum(1 for _ in chosen)
    items = [stored for _, stored in taken]
    if not rest:
        return Page(items, revision)
    # With a selector a real server does not know how many are left either.
    counted = rest if not (options.labels or options.fields) else None
    return Page(items, revision, _token(revision, taken[-1][0]), counted)


def list_document(resource: Resource, page: Page) -> bytes:
    """The list as the resource's version shows it."""
    meta: JSONObject = {"resourceVersion": str(page.revision)}
    if page.continuation:
        meta["continue"] = page.continuation
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    head = encode(
        {"kind": resource.items_kind, "apiVersion": resource.api_version, "metadata": meta}
    )
    items = b",".join(conversion.raw_item(resource, stored) for stored in page.items)
    return head[:-1] + b',"items":[' + items + b"]}"
