"""Pods and Nodes to claims without an object in between: reconcile and webhook mode.

Keys and attributes are those of k8s-workload-registrar, so that what it left
on the SPIRE server is adopted in place.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from api.core import Node, Pod
from api.kinds import NODE, POD
from api.meta import ObjectKey
from registrar.claims.claim import REGISTRAR, Claim, Claimant, Origin
from registrar.claims.dnsnames import ServiceAddress, pod_dns_names
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.pods import excluded, spiffe_id_of
from registrar.claims.servicenames import Shared, shared_names
from registrar.claims.unmet import Unmet, not_bound
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import Selector
from registrar.settings.model import PodIdentity

WORKLOAD_REGISTRAR = "k8s-workload-registrar"
"""First part of the path of the agents' aliases in webhook and crd mode."""

_NAMESPACE = "ns:"
_POD_NAME = "pod-name:"
_AGENT_NODE = "agent_node_name:"


@dataclass(frozen=True, slots=True)
class PodEntries:
    """How the entries of a mode look.

    ``root`` is the path of the agents' alias, ``/<name>/<cluster>/node``. ``per_node``: each
    Node has an alias below it, and a Pod's entry hangs on that of its Node. ``dns_zone``
    empty: no DNS names.
    """

    trust_domain: str
    cluster: str
    identity: PodIdentity
    root: str
    per_node: bool
    dns_zone: str = ""

    def parent(self, node: str) -> str:
        """The SPIFFE ID that a Pod's entry hangs on."""
        alias = f"spiffe://{self.trust_domain}{self.root}"
        return f"{alias}/{node}" if self.per_node else alias


def agents_of(root: str) -> re.Pattern[str]:
    """Paths of agents' aliases: those under ``root`` and those of every other cluster.

    Several clusters may share one SPIRE server. See ``pods.check_not_agents``.
    """
    name, _, _ = root.removeprefix("/").partition("/")
    return re.compile(f"{re.escape(name)}/.+?/node/")


def root_path(name: str, cluster: str) -> str:
    """The path of the alias of a cluster's agents; ``name`` is the controller's."""
    return f"/{name}/{cluster}/node"


def pod_source(key: ObjectKey) -> Claimant:
    """The source that a Pod is."""
    return Claimant(POD.kind, key.namespace, key.name)


def node_source(name: str) -> Claimant:
    """The source that a Node is."""
    return Claimant(NODE.kind, "", name)


def pod_claim(
    pod: Pod,
    rules: PodEntries,
    *,
    addresses: Iterable[ServiceAddress],
    namespace_uid: str = "",
    without: Collection[str] = (),
) -> Claim | Unmet:
    """The claim of a Pod, or why it has none: it asks for none, or lacks the node that it needs.

    ``without`` are DNS names that it may not have. Raises InvalidField, naming the label or
    annotation that makes no SPIFFE ID.
    """
    meta = pod.metadata
    unmet = excluded(pod, rules.identity)
    if unmet is None and rules.per_node:
        unmet = not_bound(pod.spec.node_name)
    spiffe_id = unmet or spiffe_id_of(
        pod, rules.identity, rules.trust_domain, agents=agents_of(rules.root)
    )
    if isinstance(spiffe_id, Unmet):
        return spiffe_id
    selectors = [
        Selector("k8s", f"{_NAMESPACE}{meta.namespace}"),
        Selector("k8s", f"{_POD_NAME}{meta.name}"),
    ]
    names = dns_names_of(pod, rules, addresses)
    return Claim(
        source=pod_source(meta.key),
        key=EntryKey.of(spiffe_id, rules.parent(pod.spec.node_name), selectors),
        attributes=Attributes(
            federates_with=annotated_federation(meta.annotations, rules.trust_domain).domains,
            dns_names=tuple(name for name in names if name not in without),
        ),
        origin=Origin.POD,
        api_version=POD.api_version,
        uid=meta.uid,
        created=meta.creation_timestamp or "",
        namespace_uid=namespace_uid,
    )


def dns_names_of(
    pod: Pod, rules: PodEntries, addresses: Iterable[ServiceAddress]
) -> tuple[str, ...]:
    """Every name by which the cluster's DNS may know a Pod; none where they are not asked for."""
    if not rules.dns_zone:
        return ()
    return pod_dns_names(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        ip=pod.status.pod_ip,
        addresses=addresses,
        zone=rules.dns_zone,
    )


def names_of_other_services(
    pod: Pod, rules: PodEntries, addresses: Collection[ServiceAddress]
) -> list[Shared]:
    """Those of its names that have the form of a service's which is not behind the Pod."""
    return shared_names(
        dns_names_of(pod, rules, addresses),
        namespace=pod.metadata.namespace,
        services={address.service for address in addresses},
        zone=rules.dns_zone,
    )


def node_claim(node: Node, rules: PodEntries) -> Claim:
    """The claim of a Node: an alias that the agent on it gets."""
    meta = node.metadata
    return Claim(
        source=node_source(meta.name),
        key=EntryKey.of(
            rules.parent(meta.name),
            f"spiffe://{rules.trust_domain}/spire/server",
            [
                Selector("k8s_psat", f"{_AGENT_NODE}{meta.name}"),
                Selector("k8s_psat", f"cluster:{rules.cluster}"),
            ],
        ),
        attributes=Attributes(),
        origin=Origin.REGISTRAR,
        api_version=NODE.api_version,
        uid=meta.uid,
        created=meta.creation_timestamp or "",
    )


def cluster_claim(rules: PodEntries) -> Claim:
    """The registrar's own claim: an alias that every agent of the cluster gets."""
    return Claim(
        source=Claimant(REGISTRAR, "", rules.cluster),
        key=EntryKey.of(
            f"spiffe://{rules.trust_domain}{rules.root}",
            f"spiffe://{rules.trust_domain}/spire/server",
            [Selector("k8s_psat", f"cluster:{rules.cluster}")],
        ),
        attributes=Attributes(),
        origin=Origin.REGISTRAR,
    )


def pod_of_key(key: EntryKey, rules: PodEntries) -> ObjectKey | None:
    """The Pod that an entry of this mode is for, or None for any other entry."""
    alias = f"spiffe://{rules.trust_domain}{rules.root}"
    if key.parent_id != alias and not key.parent_id.startswith(f"{alias}/"):
        return None
    values = sorted(value for type_, value in key.selectors if type_ == "k8s")
    if len(values) != len(key.selectors) or len(values) != 2:
        return None
    namespace, name = values
    if not namespace.startswith(_NAMESPACE) or not name.startswith(_POD_NAME):
        return None
    return ObjectKey(namespace.removeprefix(_NAMESPACE), name.removeprefix(_POD_NAME))


def source_of_key(key: EntryKey, rules: PodEntries) -> Claimant | None:
    """The Pod or Node that an entry of this mode is for, or None for any other entry."""
    pod = pod_of_key(key, rules)
    if pod is not None:
        return pod_source(pod)
    if not rules.per_node:
        return None
    for kind, value in key.selectors:
        if kind == "k8s_psat" and value.startswith(_AGENT_NODE):
            name = value.removeprefix(_AGENT_NODE)
            return node_source(name) if key.spiffe_id == rules.parent(name) else None
    return None
