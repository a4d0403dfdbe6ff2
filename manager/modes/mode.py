"""What a mode is: caches, a list of sources and some settings, as data.

The modes are the tools that we replace: the layered registrar, the controller manager and its
static mode, the three of the workload registrar. From the claim on they are one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.core import Namespace
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.confirmation import BySetting, Confirmation, by_own_namespace
from controllers.lastgood import SignOf, no_sign
from controllers.refusal import Refusable
from controllers.source import AnySource
from manager.caches.cache import Cache, Caches, SpireEntryCache
from manager.context import Context
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim
from registrar.claims.instance import Form, Made, no_form
from registrar.kube.session import Session
from registrar.kube.store import Store


class Webhook(Protocol):
    """A server that the API server calls."""

    port: int
    """Where it listens, once it does."""

    def problem(self) -> str | None:
        """None while it serves, else why not."""
        ...

    async def run(self) -> None:
        """Serve until cancelled. Raises InvalidField for an address that cannot be had."""
        ...


def confirmed_on_namespace(
    name: str, namespaces: Cache[Namespace]
) -> Callable[[Context], Confirmation]:
    """A person agrees on the Namespace of that name, in which the registrar runs."""
    return lambda context: by_own_namespace(
        context.shared, name=name, namespaces=namespaces.store, events=context.events
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way to run the registrar."""

    caches: Caches
    """What it reads of the API server."""
    spire_entries: SpireEntryCache
    """The records, one of the caches."""
    sources: Callable[[Context], Sequence[AnySource]]
    """What turns objects into claims and shows what became of them."""
    unused: frozenset[str]
    """The wake-ups that it has no use for."""
    without_status: frozenset[str] = frozenset()
    """The kinds that claim something and show no status that we write."""
    made: Made
    """Whether this mode made a record of an earlier version, which named no mode."""
    form: Form = no_form
    """Whether only this mode makes entries of that form."""
    sign_of: SignOf = no_sign
    """What an entry of the mode says of whose it is; None for nothing."""
    own_namespace: str = ""
    """The namespace that it runs in; empty outside of a cluster."""
    alias: Claim | None = None
    """The registrar's own claim, if it needs one: an alias of the agents, parent of entries."""
    confirmation: Callable[[Context], Confirmation] = lambda _: BySetting()
    """Where a person agrees to withheld deletions."""
    refusable: Sequence[Refusable] = ()
    """The objects that only this mode and class handles, and that have conditions."""
    trust_domains: Store[ClusterFederatedTrustDomain] | None = None
    """What asks for federation relationships; None where nothing does."""
    webhook: Callable[[Session, Minter], Webhook | None] = lambda _, __: None
    """The server that the API server calls, if there is one; every replica has it."""
