"""What lies around the peer: the rights of its service account, and the webhooks that call it."""

from dataclasses import dataclass

from api.codec import JSONObject
from api.meta import ObjectKey
from manager.migrate.installation import Installation
from manager.migrate.objects import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    KINDS,
    ROLE_BINDING,
    VALIDATING,
    Objects,
)
from manager.migrate.reading import at, key_of, mappings, text
from manager.migrate.rights import binds
from registrar.kube.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``rules`` each with the namespace that it holds in; ``unread`` is what may not be read."""

    bindings: tuple[str, ...] = ()
    rules: tuple[tuple[str, JSONObject], ...] = ()
    webhooks: tuple[JSONObject, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def strict(self) -> list[str]:
        """The webhook configurations whose failure stops requests."""
        return [
            key_of(document).name
            for document in self.webhooks
            if any(hook.get("failurePolicy") == "Fail" for hook in mappings(document["webhooks"]))
        ]


async def look_around(objects: Objects, installation: Installation) -> Surroundings:
    """Read them. What may not be read is said, and stops nothing. Raises KubeError."""
    bindings: list[str] = []
    rules: list[tuple[str, JSONObject]] = []
    unread: list[str] = []
    webhooks: list[JSONObject] = []
    account, namespace = installation.service_account, installation.place.namespace
    for kind in (CLUSTER_ROLE_BINDING, ROLE_BINDING):
        try:
            listed = await objects.all(kind)
        except Forbidden as error:
            unread.append(str(error))
            continue
        for binding in listed:
            if not binds(binding, namespace=namespace, account=account):
                continue
            of = KINDS.get(text(at(binding, "roleRef", "kind")), CLUSTER_ROLE)
            scope = key_of(binding).namespace
            name = text(at(binding, "roleRef", "name"))
            try:
                role = await objects.get(of, ObjectKey(scope if of.namespaced else "", name))
            except Forbidden as error:
                unread.append(str(error))
                continue
            rules += [(scope, rule) for rule in mappings(role and role.get("rules"))]
            # Every account has the API server's own; they say nothing of the peer.
            if not name.startswith("system:"):
                bindings.append(f"{of.kind} {name}" + (f" in {scope}" if scope else ""))
    try:
        webhooks += [d for d in await objects.all(VALIDATING) if _is_for(d, installation)]
    except Forbidden as error:
        unread.append(str(error))
    return Surroundings(tuple(bindings), tuple(rules), tuple(webhooks), tuple(unread))


def _is_for(document: JSONObject, installation: Installation) -> bool:
    """Whether a webhook is the peer's: by its name, as every installation of it names it."""
    if installation.peer.name in key_of(document).name:
        return True
    return any(
        installation.peer.name in text(at(hook, "clientConfig", "service", "name"))
        for hook in mappings(document.get("webhooks"))
    )
