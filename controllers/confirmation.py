"""Where a person sees that deletions are withheld, and agrees to them.

In the layered mode that is the registrar's own SpireEntry; where the registrar
has none, it is the Namespace that it runs in.
"""

from collections.abc import Callable
from typing import Protocol

from api.core import Namespace
from api.kinds import NAMESPACE, SPIRE_ENTRY
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION, SpireEntry
from controllers.ports import Events, Kubernetes, reference
from controllers.shared import SharedState
from registrar.claims.release import WITHHELD, confirmed_deletions
from registrar.identity.entry import EntryKey
from registrar.kube.errors import KubeError
from registrar.kube.store import Store

_BY_SETTING = "set allow_mass_deletion for one start, if that is meant"


class Confirmation(Protocol):
    """A person's word on withheld deletions."""

    def confirmed(self) -> int:
        """How many deletions a person agreed to."""
        ...

    def how(self, count: int) -> str:
        """What a person has to do who agrees to that many deletions."""
        ...

    async def used(self) -> None:
        """The word was acted on: it counts once."""
        ...

    def show(self, why: str, *, is_new: bool) -> None:
        """Bring what a person sees in line; ``why`` is empty when nothing is withheld."""
        ...


class ByRecord:
    """The condition and the annotation stand on the registrar's own SpireEntry."""

    def __init__(
        self,
        shared: SharedState,
        *,
        alias_key: EntryKey,
        objects: Store[SpireEntry],
        kube: Kubernetes,
        events: Events,
    ) -> None:
        self._shared = shared
        self._alias_key = alias_key
        self._objects = objects
        self._kube = kube
        self._events = events

    def confirmed(self) -> int:
        """The number in the annotation."""
        alias = self._alias_object()
        return 0 if alias is None else confirmed_deletions(alias.metadata)

    def how(self, count: int) -> str:
        """Annotate the SpireEntry."""
        name = self._shared.name_of(self._alias_key)
        return f"annotate SpireEntry {name}: {CONFIRM_DELETIONS_ANNOTATION}={count}"

    async def used(self) -> None:
        """Take the annotation away."""
        alias = self._alias_object()
        if alias is None or CONFIRM_DELETIONS_ANNOTATION not in alias.metadata.annotations:
            return
        try:
            patched = await self._kube.merge_patch(
                SPIRE_ENTRY,
                alias.key,
                {"metadata": {"annotations": {CONFIRM_DELETIONS_ANNOTATION: None}}},
            )
        except KubeError:
            return
        self._objects.assume(patched)

    def show(self, why: str, *, is_new: bool) -> None:
        """Record the condition, and report an Event when deletions begin to be withheld."""
        self._shared.wake.record(self._shared.name_of(self._alias_key))
        alias = self._alias_object()
        if is_new and alias is not None:
            self._events.emit(
                reference(SPIRE_ENTRY, alias), type="Warning", reason=WITHHELD, message=why
            )

    def _alias_object(self) -> SpireEntry | None:
        name = self._shared.known_name_of(self._alias_key)
        return self._objects.get(ObjectKey("", name)) if name else None


class ByNamespace:
    """The Event and the annotation stand on the Namespace that the registrar runs in.

    The registrar may not change Namespaces, so it cannot take the annotation
    away. Instead a word counts only if it is given while deletions are
    withheld, and only once: one that stands there at the start of a term, or
    was acted on, is an old one until it is changed.
    """

    def __init__(
        self, shared: SharedState, *, name: str, namespaces: Store[Namespace], events: Events
    ) -> None:
        self._shared = shared
        self._key = ObjectKey("", name)
        self._namespaces = namespaces
        self._events = events
        self._old = self._annotation()

    def confirmed(self) -> int:
        """The number in the annotation, unless that is an old word."""
        namespace = self._namespaces.get(self._key)
        if namespace is None or self._annotation() == self._old:
            return 0
        return confirmed_deletions(namespace.metadata)

    def how(self, count: int) -> str:
        """Annotate the Namespace, if it may be read."""
        if self._namespaces.get(self._key) is None:
            return (
                f"Namespace {self._key.name} cannot be read, so nobody can agree there: give the "
                f"registrar's role list and watch on namespaces, or {_BY_SETTING}"
            )
        return f"annotate Namespace {self._key.name}: {CONFIRM_DELETIONS_ANNOTATION}={count}"

    async def used(self) -> None:
        """Remember that this word was acted on."""
        self._old = self._annotation()

    def show(self, why: str, *, is_new: bool) -> None:
        """Report an Event when deletions begin to be withheld."""
        namespace = self._namespaces.get(self._key)
        if is_new and namespace is not None:
            message = (
                f"{why}. If that is meant, annotate this Namespace: "
                f"{CONFIRM_DELETIONS_ANNOTATION}={self._shared.withheld_count}"
            )
            self._events.emit(
                reference(NAMESPACE, namespace), type="Warning", reason=WITHHELD, message=message
            )

    def _annotation(self) -> str:
        namespace = self._namespaces.get(self._key)
        if namespace is None:
            return ""
        return namespace.metadata.annotations.get(CONFIRM_DELETIONS_ANNOTATION, "")


class WhereRecorded:
    """On the registrar's own SpireEntry while it is recorded, else in another place."""

    def __init__(
        self, record: Confirmation, other: Confirmation, *, is_recorded: Callable[[], bool]
    ) -> None:
        self._record = record
        self._other = other
        self._is_recorded = is_recorded

    def confirmed(self) -> int:
        """How many deletions a person agreed to there."""
        return self._place().confirmed()

    def how(self, count: int) -> str:
        """What to do there."""
        return self._place().how(count)

    async def used(self) -> None:
        """Let the word count once."""
        await self._place().used()

    def show(self, why: str, *, is_new: bool) -> None:
        """Bring that place in line."""
        self._place().show(why, is_new=is_new)

    def _place(self) -> Confirmation:
        return self._record if self._is_recorded() else self._other


def by_own_namespace(
    shared: SharedState, *, name: str, namespaces: Store[Namespace], events: Events
) -> Confirmation:
    """By the Namespace that the registrar runs in, if it runs in one."""
    if not name:
        return BySetting()
    return ByNamespace(shared, name=name, namespaces=namespaces, events=events)


class BySetting:
    """Nobody can be asked: only the configuration allows a mass deletion."""

    def confirmed(self) -> int:
        """Nothing."""
        return 0

    def how(self, count: int) -> str:  # noqa: ARG002 - the protocol's
        """The setting."""
        return _BY_SETTING

    async def used(self) -> None:
        """Nothing to take away."""

    def show(self, why: str, *, is_new: bool) -> None:
        """The log and the metric say it."""
