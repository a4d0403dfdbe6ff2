"""What would be told of objects: what is wrong with each that is not as it was meant."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from api.codec import JSONObject, convert, to_json
from api.kinds import SPIFFE_ID
from api.meta import Condition, KubeObject
from controllers.shared import SharedState
from manager.caches.cache import Cache, Caches
from manager.preview.seeming import SeemingKube, Told, merged
from registrar.claims.claim import Claimant
from registrar.claims.classes import by_class
from registrar.settings.model import Settings

_READY = "Ready"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong with one object, as its condition or an Event would say it."""

    object: Claimant
    reason: str
    message: str


class _Conditions(msgspec.Struct):
    conditions: tuple[Condition, ...] = ()


def findings(
    caches: Caches,
    kube: SeemingKube | None,
    shared: SharedState,
    *,
    told: Iterable[Told],
    is_handled: Callable[[str], bool],
) -> list[Finding]:
    """What is wrong, each once; of an object whose status says it only what that says.

    ``is_handled`` tells of a class whether its objects are this registrar's.
    """
    found: dict[Claimant, Finding] = {}
    if kube is not None:
        for cache in caches:
            if isinstance(cache, Cache) and cache.kind.has_status_subresource:
                for finding in _of_statuses(cache, kube, is_handled):
                    found.setdefault(finding.object, finding)
    by_status = frozenset(found)
    also: dict[Finding, None] = {}
    for event in told:
        regarding = event.regarding
        object_ = Claimant(regarding.kind, regarding.namespace, regarding.name)
        if event.is_warning and object_ not in by_status:
            also[Finding(object_, event.reason, event.message)] = None
    said = by_status | {finding.object for finding in also}
    for object_, problem in shared.problems.items():
        if object_ not in said:
            also[Finding(object_, problem.reason, problem.message)] = None
    return sorted([*found.values(), *also])


def handled_by(settings: Settings) -> Callable[[str], bool]:
    """Whether objects of a class are those of a registrar with these settings."""
    manager = settings.controller_manager
    return by_class(
        settings.class_name, watch_classless=manager is not None and manager.watch_classless
    )


def _of_statuses(
    cache: Cache[KubeObject], kube: SeemingKube, is_handled: Callable[[str], bool]
) -> Iterator[Finding]:
    """What the Ready conditions would say that are False."""
    kind = cache.kind
    for key in list(cache.store.keys()):
        document = to_json(cache.store.get(key))
        if not isinstance(document, dict):
            continue
        patch = kube.statuses.get((kind.resource, key))
        if patch is None and kind.resource != SPIFFE_ID.resource:
            spec = document.get("spec")
            if not isinstance(spec, dict) or not is_handled(str(spec.get("className", ""))):
                continue
        status = _status(document, patch)
        for condition in convert(status, _Conditions).conditions:
            if condition.type == _READY and condition.status == "False":
                object_ = Claimant(kind.kind, key.namespace, key.name)
                yield Finding(object_, condition.reason, condition.message)


def _status(document: JSONObject, patch: JSONObject | None) -> JSONObject:
    """The status of an object, after a patch of it."""
    patched = merged(document.get("status"), {} if patch is None else patch.get("status", {}))
    return patched if isinstance(patched, dict) else {}
