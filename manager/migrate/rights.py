"""The roles that this registrar needs in the peer's place, made of what its mode declares."""

from collections import defaultdict
from collections.abc import Iterable

from api.codec import JSONObject, JSONValue
from controllers.rights import Need
from manager.migrate.objects import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from manager.migrate.reading import mappings, words

LABELS: JSONObject = {"app.kubernetes.io/name": "spire-registrar"}


def rights(needs: Iterable[Need], *, name: str, namespace: str, account: str) -> list[JSONObject]:
    """A role for all namespaces, one for each that is named, and their bindings to the account."""
    scopes: defaultdict[str, defaultdict[tuple[str, str, str], set[str]]] = defaultdict(
        lambda: defaultdict(set)
    )
    for need in needs:
        right = need.right
        scopes[right.namespace][right.group, right.resource, right.name].add(right.verb)
    subject: JSONObject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    found: list[JSONObject] = []
    for scope in sorted(scopes):
        role, binding = (ROLE, ROLE_BINDING) if scope else (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
        metadata: JSONObject = {"name": name, "labels": LABELS}
        if scope:
            metadata["namespace"] = scope
        rules: list[JSONValue] = [_rule(on, verbs) for on, verbs in sorted(scopes[scope].items())]
        found.append(
            {
                "apiVersion": role.api_version,
                "kind": role.kind,
                "metadata": metadata,
                "rules": rules,
            }
        )
        found.append(
            {
                "apiVersion": binding.api_version,
                "kind": binding.kind,
                "metadata": metadata,
                "roleRef": {"apiGroup": role.group, "kind": role.kind, "name": name},
                "subjects": [subject],
            }
        )
    return found


def _rule(on: tuple[str, str, str], verbs: Iterable[str]) -> JSONObject:
    group, resource, name = on
    rule: JSONObject = {"apiGroups": [group], "resources": [resource], "verbs": [*sorted(verbs)]}
    if name:
        rule["resourceNames"] = [name]
    return rule


def lacking(needs: Iterable[Need], held: Iterable[tuple[str, JSONObject]]) -> list[Need]:
    """The needs that no rule covers; each rule with the namespace of its binding, empty for all."""
    rules = list(held)
    return [need for need in needs if not any(_covers(ns, rule, need) for ns, rule in rules)]


def _covers(namespace: str, rule: JSONObject, need: Need) -> bool:
    right = need.right
    names = words(rule.get("resourceNames"))
    return (
        namespace in {"", right.namespace}
        and _has(rule, "apiGroups", right.group)
        and _has(rule, "resources", right.resource)
        and _has(rule, "verbs", right.verb)
        and (not names or right.name in names)
    )


def _has(rule: JSONObject, field: str, value: str) -> bool:
    return not {"*", value}.isdisjoint(words(rule.get(field)))


def binds(binding: JSONObject, *, namespace: str, account: str) -> bool:
    """Whether a binding names a service account, or a group that it is in."""
    own = (
        ("ServiceAccount", namespace, account),
        ("Group", "", "system:serviceaccounts"),
        ("Group", "", f"system:serviceaccounts:{namespace}"),
        ("Group", "", "system:authenticated"),
    )
    return any(
        (subject.get("kind"), subject.get("namespace") or "", subject.get("name")) in own
        for subject in mappings(binding.get("subjects"))
    )
