"""The ConfigMaps that ClusterFederatedTrustDomains have their bundles from, each watched alone.

One list and watch for each, by its name: so a Role that names the ConfigMap is all that it takes,
and nobody else's ConfigMaps are read. They come and go with the objects that name them.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from api.core import ConfigMap
from api.kinds import CONFIG_MAP
from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.source import Cached
from registrar.claims.bundlesource import (
    Reading,
    Source,
    forbidden,
    missing,
    reading_of,
    source_named,
    unread,
    without_cluster,
)
from registrar.kube.reflector import Reflector
from registrar.kube.session import API
from registrar.kube.store import Change, Store
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import tell

Heard = Callable[[ObjectKey], None]


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of one ConfigMap; ``data`` None: it is not there, or not readable."""

    is_listed: bool = False
    data: Mapping[str, str] | None = None
    broken: str = ""
    is_forbidden: bool = False
    error: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether the first answer is still to come."""
        return not self.is_listed and not self.error


@dataclass(slots=True)
class _Watched:
    """One ConfigMap's list and watch."""

    task: asyncio.Task[None]
    look: _Look = field(default_factory=_Look)


class BundleSources:
    """One of the process's caches, but for as many ConfigMaps as objects name.

    Nobody waits for it: an object whose source is not read yet waits by itself. ``is_handled``
    tells of a class whether its objects are this registrar's.
    """

    name = CONFIG_MAP.resource

    def __init__(
        self,
        objects: Cached[ClusterFederatedTrustDomain],
        *,
        is_handled: Callable[[str], bool],
    ) -> None:
        self._objects = objects.store
        self._is_handled = is_handled
        self._changed = asyncio.Event()
        self._looked = asyncio.Event()
        self._watched: dict[ObjectKey, _Watched] = {}
        self._listeners: list[Heard] = []
        objects.listen(self._named)

    @property
    def size(self) -> int:
        """How many ConfigMaps objects name."""
        return len(self._watched)

    def start(
        self,
        session: API,
        tasks: asyncio.TaskGroup,
        metrics: Metrics,  # noqa: ARG002 - as every cache
    ) -> None:
        """Begin to watch what objects name."""
        tasks.create_task(self._follow(session), name="bundle sources")

    async def catch_up(self, since: float) -> bool:  # noqa: ARG002 - as every cache
        """Nothing to wait for."""
        return False

    async def settled(self) -> None:
        """Nothing to wait for."""

    async def looked(self) -> None:
        """Wait until every ConfigMap that objects name was read, or cannot be.

        Who asks for one is told by its reading what is wrong.
        """
        while any(key not in self._watched for key in self._wanted()) or any(
            watched.look.is_unknown for watched in self._watched.values()
        ):
            self._looked.clear()
            await self._looked.wait()

    def why_not_synced(self) -> str | None:
        """Nobody waits for it."""
        return None

    def listen(self, heard: Heard) -> None:
        """Have each ConfigMap told whose reading has changed, from now on."""
        self._listeners.append(heard)

    def read(self, source: Source, *, trust_domain: str) -> Reading | None:
        """What a source shows; None while that is not known yet."""
        watched = self._watched.get(source.configmap)
        look = _Look() if watched is None else watched.look
        if look.is_unknown:
            return None
        if look.broken:
            return unread(source, look.broken)
        if look.data is not None:
            return reading_of(source, look.data, trust_domain=trust_domain)
        if look.is_forbidden:
            return forbidden(source, look.error)
        return missing(source) if look.is_listed else unread(source, look.error)

    def _named(self, _: Change[ClusterFederatedTrustDomain]) -> None:
        self._changed.set()

    def _wanted(self) -> set[ObjectKey]:
        """The ConfigMaps that objects of ours name."""
        handled = (o for o in self._objects.values() if self._is_handled(o.spec.class_name))
        sources = map(source_named, handled)
        return {source.configmap for source in sources if source is not None}

    async def _follow(self, session: API) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                wanted = self._wanted()
                for gone in self._watched.keys() - wanted:
                    self._watched.pop(gone).task.cancel()
                for key in wanted - self._watched.keys():
                    self._watched[key] = _Watched(tasks.create_task(self._watch(session, key)))
                self._looked.set()
                await self._changed.wait()

    async def _watch(self, session: API, key: ObjectKey) -> None:
        """Keep the look at one ConfigMap, and tell of each change."""
        store: Store[ConfigMap] = Store()
        reflector = Reflector(
            session=session,
            kind=CONFIG_MAP,
            store=store,
            on_change=lambda _: None,
            namespace=key.namespace,
            field_selector=f"metadata.name={key.name}",
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reflector.run(), name=f"reflector {key}")
            watched = self._watched[key]

            def is_news() -> bool:
                return _look(key, store, reflector) != watched.look

            while True:
                await reflector.until(is_news)
                watched.look = _look(key, store, reflector)
                self._looked.set()
                for heard in self._listeners:
                    tell(f"change of the bundle source {key}", partial(heard, key))


def _look(key: ObjectKey, store: Store[ConfigMap], reflector: Reflector[ConfigMap]) -> _Look:
    found, broken = store.get(key), store.broken.get(key)
    return _Look(
        is_listed=store.synced.is_set(),
        data=None if found is None else found.data,
        broken="" if broken is None else broken.error,
        is_forbidden=reflector.is_forbidden,
        error=reflector.last_error,
    )


class NoBundleSources:
    """Without a cluster there is nothing to read."""

    def listen(self, heard: Heard) -> None:
        """Nothing is ever heard."""

    def read(
        self,
        source: Source,
        *,
        trust_domain: str,  # noqa: ARG002 - as where there is a cluster
    ) -> Reading | None:
        """Say so."""
        return without_cluster(source)
