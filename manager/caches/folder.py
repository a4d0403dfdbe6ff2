"""The objects of static mode's folder, in stores like those of a cluster.

A folder is another origin of the same objects: what is in no file is gone, but only where every
file could be read and of every document it is known which object it is.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, CLUSTER_STATIC_ENTRY, Kind
from api.meta import KubeObject, ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from manager.caches.manifests import Found, read_manifests
from registrar.claims.clusterstaticentry import claim_of
from registrar.claims.federatedtrustdomain import TRUST_DOMAIN_INDEX, trust_domains_of, wanted_by
from registrar.errors import InvalidField
from registrar.kube.store import Change, Store
from registrar.manifests.folder import Folder
from registrar.manifests.successors import Successors
from registrar.settings.model import Reconciled
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import tell

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


@dataclass(slots=True)
class FolderCache(Generic[T]):
    """The objects of one kind in a folder. ``is_whole`` is set once all of them are known.

    ``check`` raises InvalidField for an object that asks for nothing that can be had.
    """

    kind: Kind[T]
    store: Store[T]
    is_read: bool
    is_whole: asyncio.Event
    check: Callable[[T], object]
    successors: Successors = field(default_factory=Successors)
    stayed: frozenset[ObjectKey] = frozenset()
    is_needed: bool = True
    may_be_unknown: bool = True
    listeners: list[Callable[[Change[T]], None]] = field(default_factory=list)

    def listen(self, heard: Callable[[Change[T]], None]) -> None:
        """Have each change told from now on."""
        self.listeners.append(heard)

    @property
    def kind_name(self) -> str:
        """The kind, as owners are recorded with it."""
        return self.kind.kind

    @property
    def is_available(self) -> bool:
        """Whether all objects are known."""
        return self.is_whole.is_set()

    @property
    def remedy(self) -> str:
        """What to do about objects that cannot be read."""
        return "mend the files that the log names"

    async def available(self) -> None:
        """Wait until all objects are known."""
        await self.is_whole.wait()

    def take(self, found: Found[T], *, is_whole: bool) -> None:
        """Make the store hold what was found, and tell what changed.

        What was not found goes only if ``is_whole``, and if no new object that is wrong may be
        the same one; of what does not decode the last good stays.
        """
        store, stays = self.store, self._left_for_wrong_ones(found, is_whole=is_whole)
        for key, obj in found.objects.items():
            if store.get(key) != obj or key in store.broken:
                self._tell(Change(key, store.put(obj), obj))
        for key, broken in found.broken.items():
            if store.broken.get(key) != broken:
                last = store.get(key)
                store.observe_broken(broken.meta, broken.error)
                self._tell(Change(key, last, last, broken.error))
        if is_whole:
            known = {*store.keys(), *store.broken}
            for key in known - found.objects.keys() - found.broken.keys() - stays:
                self._tell(Change(key, store.remove(key), None))

    def _left_for_wrong_ones(self, found: Found[T], *, is_whole: bool) -> frozenset[ObjectKey]:
        """The objects that stand in no file any more, but may be new ones that are wrong."""
        wrong = {*found.broken, *(k for k, obj in found.objects.items() if self._is_wrong(obj))}
        present = [*found.objects, *found.broken]
        stays = self.successors.look(present, wrong, is_whole=is_whole)
        if stays - self.stayed:
            log.warning(
                "objects are in no file any more, and others came that are wrong: they may be the "
                "same ones by other names, so what they had stays until those are corrected",
                extra=kv(kind=self.kind_name, left=_names(stays), wrong=_names(wrong)),
            )
        self.stayed = stays
        return stays

    def _is_wrong(self, obj: T) -> bool:
        try:
            self.check(obj)
        except InvalidField:
            return True
        return False

    def _tell(self, change: Change[T]) -> None:
        for heard in self.listeners:
            tell(f"change of {self.kind.resource}", partial(heard, change))


class FolderCaches:
    """The caches of both kinds that a folder may hold; ``take`` follows the folder."""

    def __init__(self, reconciled: Reconciled, *, trust_domain: str) -> None:
        is_whole = asyncio.Event()
        self._is_whole = is_whole
        self._said: Mapping[str, str] = {}
        self.static_entries: FolderCache[ClusterStaticEntry] = FolderCache(
            CLUSTER_STATIC_ENTRY,
            Store(),
            reconciled.cluster_static_entries,
            is_whole,
            check=partial(claim_of, trust_domain=trust_domain),
        )
        self.trust_domains: FolderCache[ClusterFederatedTrustDomain] = FolderCache(
            CLUSTER_FEDERATED_TRUST_DOMAIN,
            Store({TRUST_DOMAIN_INDEX: trust_domains_of}),
            reconciled.cluster_federated_trust_domains,
            is_whole,
            check=partial(wanted_by, trust_domain=trust_domain),
        )

    def take(self, folder: Folder) -> None:
        """Bring the stores in line with what the files say now."""
        manifests = read_manifests(folder)
        manifests.say_news(self._said)
        self._said = manifests.problems
        is_whole = folder.is_whole and manifests.is_complete
        if self.static_entries.is_read:
            self.static_entries.take(manifests.static_entries, is_whole=is_whole)
        if self.trust_domains.is_read:
            self.trust_domains.take(manifests.trust_domains, is_whole=is_whole)
        if is_whole:
            self._is_whole.set()


def _names(keys: Iterable[ObjectKey]) -> str:
    return " ".join(sorted(key.name for key in keys))
