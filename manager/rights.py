"""The rights that a registrar uses, gathered from what its caches and its sources declare.

For this the sources are made as at a start, with nobody to talk to: nothing is asked and nothing
is written. What the process itself uses, its Leases for one, is declared here.
"""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, TypeVar

import grpc

from api.codec import JSONObject
from api.core import ObjectReference
from api.kinds import EVENT, LEASE, NAMESPACE, VALIDATING_WEBHOOK_CONFIGURATION, Kind
from api.meta import KubeObject, ObjectKey
from controllers.rights import Need, on
from controllers.shared import SharedState
from manager.context import Context, clock
from manager.latency import PodLatency
from manager.modes.mode import Mode
from manager.names import OWNERS_NAMESPACE
from manager.spire import TermSide
from manager.term import sources_of
from registrar.claims.instance import Instance, Records
from registrar.claims.naming import Naming
from registrar.settings.model import CRDMode, Settings
from registrar.spire.bundles import BundleClient
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.entries import EntryClient
from registrar.spire.errors import Unavailable
from registrar.spire.federation import FederationClient
from registrar.spire.mirror import EntryMirror
from registrar.spire.trustdomains import KnownDomains
from registrar.spire.writer import EntryWriter
from registrar.telemetry.metrics import Metrics

T = TypeVar("T", bound=KubeObject)

_LEASE_VERBS: Final = ("get", "create", "patch")


def needs_of(settings: Settings, mode: Mode, *, namespace: str) -> list[Need]:
    """Every right that this configuration uses, each once, what is vital first.

    ``namespace`` is the one that the registrar runs in. The mode is used up: make another to run.
    """
    found = [*mode.caches.needs, *_of_process(settings, namespace)]
    for source in sources_of(mode, _nowhere(settings, mode)):
        found += source.needs
    by_right: dict[object, Need] = {}
    for need in found:
        known = by_right.setdefault(need.right, need)
        if need.is_vital and not known.is_vital:
            by_right[need.right] = need
    return sorted(by_right.values(), key=lambda need: (not need.is_vital, need.right))


def webhook_configuration_of(settings: Settings) -> str:
    """The ValidatingWebhookConfiguration that the registrar keeps right; empty for none."""
    manager, workload = settings.controller_manager, settings.workload_registrar
    if manager is not None and manager.webhooks is not None:
        return manager.webhooks.configuration_name
    if isinstance(workload, CRDMode) and workload.webhook is not None:
        return workload.webhook.configuration_name
    return ""


def needs_default_prefix(settings: Settings) -> bool:
    """Whether the prefix of entry IDs is made of the uid of kube-system."""
    return settings.workload_registrar is None and not settings.entry_id_prefix


def _of_process(settings: Settings, namespace: str) -> Iterator[Need]:
    """What uses rights besides caches and sources."""
    yield from on(
        EVENT, ("create", "patch"), without="no Event tells what is wrong", is_vital=False
    )
    if settings.leader_election is not None:
        yield from on(
            LEASE,
            _LEASE_VERBS,
            without="it never leads, so nothing is written",
            namespace=settings.leader_election.namespace or namespace,
        )
    yield from on(
        LEASE,
        _LEASE_VERBS,
        without="nobody keeps a second registrar from the prefix of our entry IDs",
        is_vital=False,
        namespace=OWNERS_NAMESPACE,
    )
    if needs_default_prefix(settings):
        yield from on(
            NAMESPACE,
            ("get",),
            without="the prefix of our entry IDs is not known, and the process waits for it",
            name="kube-system",
        )
    configuration = webhook_configuration_of(settings)
    if configuration:
        yield from on(
            VALIDATING_WEBHOOK_CONFIGURATION,
            ("get", "patch"),
            without="the API server does not learn who signs the webhook's certificate",
            name=configuration,
        )


def _nowhere(settings: Settings, mode: Mode) -> Context:
    """What sources are made with, and nobody behind it."""
    channels, metrics = _Nobody(), Metrics()
    client = EntryClient(channels)
    mirror = EntryMirror(client, is_ours=lambda _: False)
    bundles = BundleClient(channels)
    side = TermSide(
        mirror,
        EntryWriter(client, mirror),
        KnownDomains(bundles, interval_seconds=1.0),
        FederationClient(channels),
        bundles,
        DroppedFields(),
    )
    label = Instance(settings.mode, settings.class_name, settings.entry_id_prefix or "").label
    shared = SharedState(
        trust_domain=settings.trust_domain,
        cluster=settings.cluster,
        class_name=settings.class_name,
        prefix="",
        records=Records(label, settings.class_name, mode.made),
        naming=Naming(label),
        spire_entries=mode.spire_entries.store,
        own_entry=lambda _: None,
    )
    latency = PodLatency(observe=lambda _: None, clock=clock)
    return Context(
        replace(settings, log_path=None), shared, _NoCluster(), _NoEvents(), side, metrics, latency
    )


class _Nobody:
    """Connections to no SPIRE server."""

    problem = "not connected"

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        """There is none. Raises Unavailable."""
        raise Unavailable(self.problem)


class _NoCluster:
    """Calls to no API server: whoever makes one was not only made, but run."""

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Not to be called."""
        raise RuntimeError(f"nothing is read here: {kind.resource} {key}")

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:
        """Not to be called."""
        raise RuntimeError(f"nothing is written here: {kind.resource} {obj.key} {namespace}")

    async def merge_patch(
        self, kind: Kind[T], key: ObjectKey, patch: JSONObject, *, subresource: str = ""
    ) -> T:
        """Not to be called."""
        raise RuntimeError(f"nothing is written here: {kind.resource} {key} {subresource} {patch}")

    async def delete(
        self, kind: Kind[T], key: ObjectKey, *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Not to be called."""
        raise RuntimeError(
            f"nothing is deleted here: {kind.resource} {key} {uid}{resource_version}"
        )


class _NoEvents:
    """Events that nobody hears."""

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """Nothing."""
