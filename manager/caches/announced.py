"""Pods as webhook mode knows them: those that are stored, and those that are about to be.

Where Pods may be read, which the original's role does not allow, a watch sweeps up what the
webhook missed, and says when a Pod is really gone.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from api.core import Pod
from api.meta import ObjectKey
from manager.caches.cache import Cache
from registrar.claims.announced import AnnouncedPods

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 5.0
_WATCHED_BEFORE_GIVING_UP = 3
"""Sweeps in a row that must find the watch open before announcements are given up."""


def _nobody(_: ObjectKey) -> None:
    """Stand in while this replica has no sources yet: the first pass looks at all."""


class AnnouncedOrStored:
    """Pods that are stored, and those that are about to be."""

    def __init__(self, cache: Cache[Pod], announced: AnnouncedPods) -> None:
        self._cache = cache
        self._announced = announced
        self._wake: Callable[[ObjectKey], None] = _nobody
        self._doubt: Callable[[ObjectKey], None] = _nobody
        self._has_believed = False

    def listen(self, wake: Callable[[ObjectKey], None], doubt: Callable[[ObjectKey], None]) -> None:
        """Have it told which Pods are announced; ``doubt`` what is believed of one made anew."""
        self._wake, self._doubt = wake, doubt

    def changed(self, pod: ObjectKey) -> None:
        """The API server asked about a Pod."""
        self._wake(pod)

    def created(self, pod: ObjectKey) -> None:
        """It asked about a new one: another replica may have heard that an earlier one goes."""
        if self._must_believe():
            self._doubt(pod)
        self._wake(pod)

    def all(self) -> Iterator[ObjectKey]:
        """Every Pod that is stored or announced; copy it before waiting."""
        yield from self._cache.store.keys()
        yield from self._cache.store.broken
        yield from self._announced

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod that is stored, unless it goes and another is announced under its name.

        While one is there no other can be created: whoever asks for it is refused after us.

        Whoever asks also forgets what was announced of a Pod that is stored: later it would stand
        in for one that is gone. The cache's changes cannot do it instead. A standby hears none of
        them, and a change that was announced and then refused brings none.
        """
        stored = self._cache.store.get(key)
        if stored is None or (self._must_believe() and self._announced.is_withdrawn(key)):
            return self._announced.get(key)
        self._announced.seen(stored)
        if stored.metadata.deletion_timestamp is not None:
            return self._announced.get(key) or stored
        return stored

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it does not decode; or Pods may not be read and nobody said that it goes."""
        if self._must_believe():
            return not self._announced.is_withdrawn(key)
        return key in self._cache.store.broken

    def saw_entry(self, key: ObjectKey, created: int) -> bool:
        """An entry was seen; gives whether the Pod may have it.

        It may if it does not decode; or Pods may not be read and the entry is not left over.
        """
        if self._must_believe():
            return not self._announced.saw_entry(key, created)
        return key in self._cache.store.broken

    def is_said_to_go(self, key: ObjectKey) -> bool:
        """Whether its deletion was announced, and no new Pod of its name."""
        return self._announced.is_withdrawn(key)

    def leaves(self, key: ObjectKey, created: int) -> None:
        """One that is gone leaves the entry that was made then."""
        self._announced.leaves(key, created)

    def drop(self, key: ObjectKey) -> bool:
        """Where Pods may not be read: another replica may have heard that it goes."""
        must_believe = self._must_believe()
        if must_believe:
            self._announced.drop(key)
        return must_believe

    @property
    def is_readable(self) -> bool:
        """Whether Pods may be read at this moment: the right to it can be taken away."""
        return self._cache.is_available and not self._cache.is_unavailable

    def _must_believe(self) -> bool:
        """Whether what is said of Pods is all there is: then it counts until they can be read."""
        must_believe = not self.is_readable
        self._has_believed |= must_believe
        return must_believe

    async def sweep(
        self, wake: Callable[[ObjectKey], None], kept: Callable[[], Iterable[ObjectKey]]
    ) -> None:
        """Give up what was announced and never came, until cancelled, where Pods may be read.

        Once they may be read again all are looked at anew: what was believed meanwhile, however
        short that was, may be wrong. ``kept`` are those whose entries stay because nothing is
        known of them.
        """
        times_watched = 0
        if self._must_believe():
            log.warning(
                "Pods cannot be listed, so what the webhook misses stays as it is: give the "
                "registrar's role list and watch on pods"
            )
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            if self._must_believe():
                continue
            if self._has_believed:
                self._has_believed = False
                for pod in {*kept(), *self.all()}:
                    wake(pod)
            # What is not seen counts only while the watch is known to show what there is.
            times_watched = times_watched + 1 if self._cache.is_watched else 0
            if times_watched < _WATCHED_BEFORE_GIVING_UP:
                continue
            for pod in self._announced.give_up():
                wake(pod)
