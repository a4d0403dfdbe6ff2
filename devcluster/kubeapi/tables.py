"""Other shapes of the same objects: tables, bare metadata, YAML."""

from collections.abc import Callable

import yaml

from devcluster.kubeapi import jsonpath
from devcluster.kubeapi.cells import AGE, NAME, Shown, since
from devcluster.kubeapi.columns import COLUMNS
from devcluster.kubeapi.documents import (
    JSONObject,
    JSONValue,
    child,
    decode,
    encode,
    obj,
    text,
)
from devcluster.kubeapi.listing import Page
from devcluster.kubeapi.resources import Column, Resource
from devcluster.kubeapi.storage import Stored


def is_wanted(accept: str) -> bool:
    """Whether the client asks for a table first."""
    return "as=Table" in accept.partition(",")[0]


def is_partial(accept: str) -> bool:
    """Whether the client asks for nothing but metadata."""
    return "as=PartialObjectMetadata" in accept.partition(",")[0]


def _custom_cell(column: Column) -> Callable[[JSONObject], JSONValue]:
    def cell(document: JSONObject) -> JSONValue:
        found = jsonpath.find(document, column.path)
        if not found:
            return None
        value = found[0]
        match column.type:
            case "date":
                return since(value)
            case "string":
                if isinstance(value, dict | list):
                    return encode(value).decode()
                if isinstance(value, bool):
                    return "true" if value else "false"
                return value if value is None else str(value)
            case "integer":
                return int(value) if isinstance(value, int | float) else None
            case _:
                return value

    return cell


def _columns(resource: Resource) -> list[tuple[Shown, str]]:
    if not resource.custom:
        return [(shown, "") for shown in COLUMNS.get(resource.kind, (NAME, AGE))]
    listed = [(NAME, "The name of the object.")]
    for column in resource.columns:
        shown = Shown(
            column.name,
            _custom_cell(column),
            type=column.type,
            format=column.format,
            wide=column.priority > 0,
        )
        listed.append((shown, column.description))
    return listed


def _definitions(resource: Resource) -> list[JSONValue]:
    return [
        {
            "name": shown.name,
            "type": shown.type,
            "format": shown.format,
            "description": description,
            "priority": int(shown.wide),
        }
        for shown, description in _columns(resource)
    ]


def partial(resource: Resource, stored: Stored) -> JSONObject:
    """The object without anything but its metadata."""
    del resource
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": child(stored.document, "metadata"),
    }


def partial_list(resource: Resource, page_: Page) -> bytes:
    """A list of bare metadata."""
    return encode(
        {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": _list_meta(page_),
            "items": [partial(resource, stored) for stored in page_.items],
        }
    )


def partial_event(resource: Resource) -> Callable[[Stored], bytes]:
    """How a watcher of bare metadata sees objects."""
    return lambda stored: encode(partial(resource, stored))


def _list_meta(page_: Page) -> JSONObject:
    meta: JSONObject = {"resourceVersion": str(page_.revision)}
    if page_.continuation:
        meta["continue"] = page_.continuation
        if page_.remaining is not None:
            meta["remainingItemCount"] = page_.remaining
    return meta


def _row(resource: Resource, columns: list[tuple[Shown, str]], stored: Stored) -> JSONObject:
    document = stored.document
    return {
        "cells": [shown.cell(document) for shown, _ in columns],
        "object": partial(resource, stored),
    }


def page(resource: Resource, page_: Page) -> bytes:
    """The table of a page."""
    columns = _columns(resource)
    return encode(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": _list_meta(page_),
            "columnDefinitions": _definitions(resource),
            "rows": [_row(resource, columns, stored) for stored in page_.items],
        }
    )


class WatchRows:
    """The tables of one watch: the first one names the columns, later ones leave them out."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._columns = _columns(resource)
        self._first = True

    def event(self, stored: Stored) -> bytes:
        """The table for one object."""
        definitions: JSONValue = _definitions(self._resource) if self._first else None
        self._first = False
        return encode(
            {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {
                    "resourceVersion": text(stored.document, "metadata", "resourceVersion")
                },
                "columnDefinitions": definitions,
                "rows": [_row(self._resource, self._columns, stored)],
            }
        )


def as_yaml(body: bytes) -> bytes:
    """The JSON body as YAML."""
    return yaml.dump(obj(decode(body)), Dumper=yaml.CSafeDumper, sort_keys=True).encode()
