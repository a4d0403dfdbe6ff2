"""What objects ask for, mode by mode, written down anew from the documentation.

It is for the judge, and shares no code with the product: small, slow, and as plain as can be. It
knows what the soak makes, and no more: of templates only some fields, of durations only one unit.
"""

import dataclasses
from collections.abc import Iterable, Iterator

from hack.soak.documents import Document, age_of, at, name_of, number, table, text, texts, uid_of
from hack.soak.spirelook import Attributes, Key, Relationship

TRUST_DOMAIN = "example.org"
CLUSTER = "soak"
OWN_NAMESPACE = "spire"
POD_LABEL = "spiffe-id"
ROOT = f"spiffe://{TRUST_DOMAIN}"
_SERVER = f"{ROOT}/spire/server"
_MADE_FOR_POD = "spiffeid.spiffe.io/pod-uid"
_IGNORED_NAMESPACES = ("kube-system", "kube-public", "spire-system")


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """An entry that somebody asks for; of several who ask for a key the oldest decides."""

    source: str
    key: Key
    attributes: Attributes
    age: str = ""


@dataclasses.dataclass(slots=True)
class World:
    """Everything of one moment; a kind that could not be read, or is not served, is None."""

    mode: str
    objects: dict[str, list[Document] | None]
    bundles: set[str] = dataclasses.field(default_factory=set)
    foreign: frozenset[str] = frozenset()
    is_partial: bool = False
    """Some manifest cannot be read: what is in no other may be in that one."""


@dataclasses.dataclass(slots=True)
class Wanted:
    """What a world asks for.

    `doubtful` are sources whose last good state counts, for what they say now is wrong or cannot
    be read.
    """

    wants: list[Want] = dataclasses.field(default_factory=list)
    doubtful: set[str] = dataclasses.field(default_factory=set)
    relationships: dict[str, Relationship] = dataclasses.field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    """Beginnings of the names of sources of which nothing is known."""
    surroundings: dict[str, str] = dataclasses.field(default_factory=dict)
    """What else decides what sources ask for, by the beginnings of their names."""

    def is_doubtful(self, source: str) -> bool:
        """Whether the last good state of a source counts."""
        return source in self.doubtful or source.startswith(self.unreadable)


def _seconds(text: str) -> int:
    """The duration of a text of one number and its unit, as the soak writes them."""
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * units[text[-1]] if text else 0


def _key(spiffe_id: str, parent: str, *selectors: str) -> Key:
    return Key(spiffe_id, parent, tuple(sorted(set(selectors))))


def _is_id(text: str) -> bool:
    """Whether it is a SPIFFE ID of our trust domain that a workload may have."""
    path = text.removeprefix(ROOT)
    return text.startswith(f"{ROOT}/") and all(path.split("/")[1:])


def _federates(world: World, asked: Iterable[str]) -> tuple[str, ...]:
    """Only domains whose bundle the server holds can be set; `*` stands for all of them."""
    asked = set(asked)
    found = world.bundles if "*" in asked else asked & world.bundles
    return tuple(sorted(found))


def _objects(world: World, kind: str) -> list[Document]:
    return world.objects.get(kind) or []


def _layered_alias(_world: World, found: Wanted) -> None:
    key = _key(f"{ROOT}/spire-k8s-operator/{CLUSTER}/node", _SERVER, f"k8s_psat:cluster:{CLUSTER}")
    found.wants.append(Want("registrar", key, Attributes()))


def _layered_selectors(spec: object) -> list[str]:
    names = {
        "podName": "pod-name",
        "podUid": "pod-uid",
        "namespace": "ns",
        "serviceAccount": "sa",
        "containerName": "container-name",
        "nodeName": "node-name",
    }
    selectors = [
        f"k8s:{ours}:{value}"
        for theirs, ours in names.items()
        if (value := text(spec, "selector", theirs))
    ]
    labels = table(spec, "selector", "podLabel")
    return selectors + [f"k8s:pod-label:{label}:{value}" for label, value in labels.items()]


def _spec_attributes(world: World, spec: object) -> Attributes:
    return Attributes(
        x509_ttl=number(spec, "ttl"),
        jwt_ttl=number(spec, "jwtTtl"),
        federates_with=_federates(world, texts(spec, "federatesWith")),
        dns_names=texts(spec, "dnsNames"),
        admin=at(spec, "admin") is True,
        downstream=at(spec, "downstream") is True,
        hint=text(spec, "hint"),
    )


def _layered_objects(world: World, found: Wanted) -> None:
    if world.objects["clusterspiffeids"] is None:
        found.unreadable += ("clusterspiffeid/", "pod/")
        return
    for obj in _objects(world, "clusterspiffeids"):
        source = f"clusterspiffeid/{name_of(obj)}/{uid_of(obj)}"
        spec = obj["spec"]
        if table(obj, "metadata", "labels").get(_MADE_FOR_POD):
            continue  # what it should be follows from its Pod
        spiffe_id = text(spec, "spiffeId")
        if not _is_id(spiffe_id):
            found.doubtful.add(source)
            continue
        parent = text(spec, "parentId") or f"{ROOT}/spire-k8s-operator/{CLUSTER}/node"
        key = _key(spiffe_id, parent, *_layered_selectors(spec))
        found.wants.append(Want(source, key, _spec_attributes(world, spec), age_of(obj)))


def _asking_pods(world: World, found: Wanted) -> Iterator[tuple[Document, str, str]]:
    """Pods that ask by their label, with their source and path; of the others one forgets."""
    for pod in _objects(world, "pods"):
        source = f"pod/{name_of(pod)}/{uid_of(pod)}"
        if text(pod, "metadata", "namespace") in _IGNORED_NAMESPACES:
            continue
        if text(pod, "status", "phase") in ("Succeeded", "Failed"):
            continue
        path = table(pod, "metadata", "labels").get(POD_LABEL, "")
        if not path:
            continue
        if not _is_id(f"{ROOT}/{path}"):
            found.doubtful.add(source)
            continue
        yield pod, source, path


def _layered_pods(world: World, found: Wanted) -> None:
    for pod, source, path in _asking_pods(world, found):
        namespace = text(pod, "metadata", "namespace")
        key = _key(
            f"{ROOT}/{path}",
            f"{ROOT}/spire-k8s-operator/{CLUSTER}/node",
            f"k8s:pod-uid:{uid_of(pod)}",
            f"k8s:ns:{namespace}",
        )
        found.wants.append(Want(source, key, Attributes(), age_of(pod)))


def _reconcile_nodes(world: World, found: Wanted) -> None:
    for node in _objects(world, "nodes"):
        name = name_of(node)
        key = _key(
            f"{ROOT}/spire-k8s-registrar/{CLUSTER}/node/{name}",
            _SERVER,
            f"k8s_psat:agent_node_name:{name}",
            f"k8s_psat:cluster:{CLUSTER}",
        )
        found.wants.append(Want(f"node/{name}/{uid_of(node)}", key, Attributes()))


def _named_pod(pod: Document, path: str, parent: str) -> Key:
    namespace, name = text(pod, "metadata", "namespace"), text(pod, "metadata", "name")
    return _key(f"{ROOT}/{path}", parent, f"k8s:ns:{namespace}", f"k8s:pod-name:{name}")


def _reconcile_pods(world: World, found: Wanted) -> None:
    for pod, source, path in _asking_pods(world, found):
        node = text(pod, "spec", "nodeName")
        if node:
            parent = f"{ROOT}/spire-k8s-registrar/{CLUSTER}/node/{node}"
            found.wants.append(Want(source, _named_pod(pod, path, parent), Attributes()))


def _webhook_pods(world: World, found: Wanted) -> None:
    root = f"{ROOT}/k8s-workload-registrar/{CLUSTER}/node"
    found.wants.append(
        Want("registrar", _key(root, _SERVER, f"k8s_psat:cluster:{CLUSTER}"), Attributes())
    )
    for pod, source, path in _asking_pods(world, found):
        found.wants.append(Want(source, _named_pod(pod, path, root), Attributes()))


def _crd_objects(world: World, found: Wanted) -> None:
    if world.objects["spiffeids"] is None:
        found.unreadable += ("spiffeid/", "pod/", "node/")
        return
    for obj in _objects(world, "spiffeids"):
        if {"podUid", "nodeUid"} & table(obj, "metadata", "labels").keys():
            continue
        source = f"spiffeid/{name_of(obj)}/{uid_of(obj)}"
        spec = obj["spec"]
        namespace = text(obj, "metadata", "namespace")
        spiffe_id, where = text(spec, "spiffeId"), text(spec, "selector", "namespace")
        if not _is_id(spiffe_id) or where != namespace:
            found.doubtful.add(source)
            continue
        key = _key(spiffe_id, text(spec, "parentId"), *_layered_selectors(spec))
        found.wants.append(Want(source, key, _spec_attributes(world, spec), age_of(obj)))


def _crd_pods(world: World, found: Wanted) -> None:
    root = f"{ROOT}/k8s-workload-registrar/{CLUSTER}/node"
    for node in _objects(world, "nodes"):
        name, uid = name_of(node), uid_of(node)
        key = _key(
            f"{root}/{name}",
            _SERVER,
            f"k8s_psat:cluster:{CLUSTER}",
            f"k8s_psat:agent_node_uid:{uid}",
        )
        found.wants.append(Want(f"node/{name}/{uid}", key, Attributes()))
    for pod, source, path in _asking_pods(world, found):
        node_name = text(pod, "spec", "nodeName")
        if not node_name:
            continue
        key = _key(
            f"{ROOT}/{path}",
            f"{root}/{node_name}",
            f"k8s:pod-uid:{uid_of(pod)}",
            f"k8s:ns:{text(pod, 'metadata', 'namespace')}",
            f"k8s:node-name:{node_name}",
        )
        names = (text(pod, "metadata", "name"),)
        found.wants.append(Want(source, key, Attributes(dns_names=names), age_of(pod)))


def _selects(selector: object, labels: dict[str, str]) -> bool:
    """A label selector with `matchLabels`, and of expressions `Exists` alone."""
    wanted = table(selector, "matchLabels")
    if any(labels.get(label) != value for label, value in wanted.items()):
        return False
    expressions = at(selector, "matchExpressions")
    if not isinstance(expressions, list):
        return True
    return all(text(each, "key") in labels for each in expressions)


def _rendered(template: str, pod: Document, node: Document) -> str:
    """What a template makes of a Pod; the soak's templates have no other fields than these."""
    values = {
        "{{ .TrustDomain }}": TRUST_DOMAIN,
        "{{ .ClusterName }}": CLUSTER,
        "{{ .PodMeta.Name }}": text(pod, "metadata", "name"),
        "{{ .PodMeta.Namespace }}": text(pod, "metadata", "namespace"),
        "{{ .PodSpec.ServiceAccountName }}": text(pod, "spec", "serviceAccountName"),
        "{{ .NodeMeta.UID }}": uid_of(node),
        '{{ index .PodMeta.Labels "team" }}': table(pod, "metadata", "labels").get("team", ""),
    }
    for field, value in values.items():
        template = template.replace(field, value)
    return template


def _of_pod(pod: Document) -> str:
    """How the names of all sources of a Pod begin."""
    return f"pod/{name_of(pod)}/{uid_of(pod)}/"


def _templated_pods(world: World, found: Wanted) -> None:
    templates, pods = world.objects["templates"], _objects(world, "pods")
    nodes = {name_of(node): node for node in _objects(world, "nodes")}
    namespaces = {name_of(each): each for each in _objects(world, "namespaces")}
    for pod in pods:
        around = (pod, namespaces.get(text(pod, "metadata", "namespace"), {}))
        labels = [sorted(table(each, "metadata", "labels").items()) for each in around]
        node = nodes.get(text(pod, "spec", "nodeName"))
        found.surroundings[_of_pod(pod)] = f"{labels} on {node and uid_of(node)}"
    if templates is None:
        found.unreadable += tuple(map(_of_pod, pods))
        return
    for pod in pods:
        where = text(pod, "metadata", "namespace")
        node_name = text(pod, "spec", "nodeName")
        if where in _IGNORED_NAMESPACES or not node_name:
            continue
        for template in templates:
            spec, source = template["spec"], f"{_of_pod(pod)}{uid_of(template)}"
            if _selects(at(spec, "podSelector"), table(pod, "metadata", "labels")) and _selects(
                at(spec, "namespaceSelector"), table(namespaces[where], "metadata", "labels")
            ):
                want = _templated(world, template, pod, nodes.get(node_name), source)
                if want is None:
                    found.doubtful.add(source)
                else:
                    found.wants.append(want)


def _templated(
    world: World, template: Document, pod: Document, node: Document | None, source: str
) -> Want | None:
    """What one template makes of one Pod; None where it makes nothing right."""
    if node is None:
        return None
    spec = template["spec"]
    spiffe_id = _rendered(text(spec, "spiffeIDTemplate"), pod, node)
    spiffe_id = spiffe_id if spiffe_id.startswith("spiffe://") else f"{ROOT}{spiffe_id}"
    if "{{" in spiffe_id or not _is_id(spiffe_id):
        return None
    selectors = [_rendered(t, pod, node) for t in texts(spec, "workloadSelectorTemplates")]
    names = [_rendered(t, pod, node) for t in texts(spec, "dnsNameTemplates")]
    return Want(
        source,
        _key(
            spiffe_id,
            f"{ROOT}/spire/agent/k8s_psat/{CLUSTER}/{uid_of(node)}",
            f"k8s:pod-uid:{uid_of(pod)}",
            *selectors,
        ),
        Attributes(
            x509_ttl=_seconds(text(spec, "ttl")),
            jwt_ttl=_seconds(text(spec, "jwtTtl")),
            federates_with=_federates(world, texts(spec, "federatesWith")),
            dns_names=tuple(dict.fromkeys(names)),
            admin=at(spec, "admin") is True,
            downstream=at(spec, "downstream") is True,
            hint=text(spec, "hint"),
        ),
        age_of(template),
    )


def _static_entries(world: World, found: Wanted) -> None:
    if world.objects["static"] is None or world.is_partial:
        found.unreadable += ("static/",)
    for obj in _objects(world, "static"):
        source, spec = f"static/{name_of(obj)}/{uid_of(obj)}", obj["spec"]
        spiffe_id = text(spec, "spiffeID")
        selectors = texts(spec, "selectors")
        if not _is_id(spiffe_id) or not all(":" in each for each in selectors):
            found.doubtful.add(source)
            continue
        attributes = Attributes(
            x509_ttl=_seconds(text(spec, "x509SVIDTTL")),
            jwt_ttl=_seconds(text(spec, "jwtSVIDTTL")),
            federates_with=_federates(world, texts(spec, "federatesWith")),
            dns_names=texts(spec, "dnsNames"),
            admin=at(spec, "admin") is True,
            downstream=at(spec, "downstream") is True,
            hint=text(spec, "hint"),
        )
        key = _key(spiffe_id, text(spec, "parentID"), *selectors)
        found.wants.append(Want(source, key, attributes, age_of(obj)))


def _trust_domains(world: World, found: Wanted) -> None:
    if world.objects["federation"] is None or world.is_partial:
        found.unreadable += ("federation/",)
    for obj in _objects(world, "federation"):
        spec = obj["spec"]
        domain, url = text(spec, "trustDomain"), text(spec, "bundleEndpointURL")
        if url:
            endpoint = text(spec, "bundleEndpointProfile", "endpointSPIFFEID")
            found.relationships[domain] = Relationship(domain, url, endpoint)


_PARTS = {
    "layered": (_layered_alias, _layered_objects, _layered_pods),
    "controller-manager": (_templated_pods, _static_entries, _trust_domains),
    "static": (_static_entries, _trust_domains),
    "reconcile": (_reconcile_nodes, _reconcile_pods),
    "webhook": (_webhook_pods,),
    "crd": (_crd_objects, _crd_pods),
}


def wanted_of(world: World) -> Wanted:
    """Work out what a world asks for."""
    found = Wanted()
    for part in _PARTS[world.mode]:
        part(world, found)
    return found
