"""What people do: make, edit and delete objects of every kind, rightly and wrongly.

Each action is a function of the world and of random numbers of its own, so that it does the same
when the steps before it are left out.
"""

import random
from collections.abc import Callable
from functools import partial

import yaml

from hack.processes import ServerError
from hack.soak.asked import CLUSTER, POD_LABEL, TRUST_DOMAIN
from hack.soak.kube import Document
from hack.soak.modes import PATHS
from hack.soak.world import NODES, SHOP, World

Action = Callable[[World, random.Random], None]

NAMESPACES = ("default", SHOP)
_ROOT = f"spiffe://{TRUST_DOMAIN}"
_PARTNERS = ("p0.test", "p1.test")
_SPIFFEID, _SPIRE = "spiffeid.spiffe.io/v1beta1", "spire.spiffe.io/v1alpha1"


def actions_of(mode: str) -> dict[str, Action]:
    """Return what may happen in a mode, by its name; some count more than once by being alike."""
    return _ACTIONS[mode]


def _apply_cluster_spiffe_id(world: World, chance: random.Random) -> None:
    name = f"c{chance.randrange(5)}"
    spec: Document = {
        "spiffeId": _spiffe_id(chance),
        "selector": chance.choice(
            [
                {"podLabel": {"app": f"x{chance.randrange(3)}"}},
                {"namespace": SHOP, "serviceAccount": "web"},
                {"podName": name, "podLabel": {"app": "x", "tier": "y"}},
            ]
        ),
        **_attributes(chance),
    }
    if chance.random() < 0.2:
        spec["parentId"] = f"{_ROOT}/agents/of/somebody"
    _put(world, f"{PATHS['clusterspiffeids']}/{name}", _SPIFFEID, "ClusterSpiffeId", spec)


def _delete(world: World, chance: random.Random, *, kind: str, prefix: str, number: int) -> None:
    world.kube.delete(f"{PATHS[kind]}/{prefix}{chance.randrange(number)}")


def _create_pod(world: World, chance: random.Random) -> None:
    namespace, name = chance.choice(NAMESPACES), f"w{chance.randrange(5)}"
    labels = {}
    if chance.random() < 0.8:
        labels[POD_LABEL] = f"{name}-{chance.randrange(3)}"
    if chance.random() < 0.7:
        labels["team"] = f"team{chance.randrange(3)}"
    spec: Document = {
        "containers": [{"name": "main", "image": "example.org/main:1"}],
        "serviceAccountName": chance.choice(["default", "web"]),
    }
    if chance.random() < 0.85:
        spec["nodeName"] = chance.choice(NODES)
    world.kube.create(
        f"/api/v1/namespaces/{namespace}/pods",
        {"metadata": {"name": name, "labels": labels}, "spec": spec},
    )


def _relabel_pod(world: World, chance: random.Random) -> None:
    name = f"w{chance.randrange(5)}"
    choices: list[Document] = [
        {POD_LABEL: f"{name}-{chance.randrange(3)}"},
        {POD_LABEL: None},
        {"team": f"team{chance.randrange(3)}"},
        {"team": None},
    ]
    path = f"/api/v1/namespaces/{chance.choice(NAMESPACES)}/pods/{name}"
    world.kube.merge(path, {"metadata": {"labels": chance.choice(choices)}})


def _delete_pod(world: World, chance: random.Random) -> None:
    where, name = chance.choice(NAMESPACES), f"w{chance.randrange(5)}"
    world.kube.delete(f"/api/v1/namespaces/{where}/pods/{name}")


def _finish_pod(world: World, chance: random.Random) -> None:
    where, name = chance.choice(NAMESPACES), f"w{chance.randrange(5)}"
    phase = chance.choice(["Succeeded", "Failed", "Running"])
    path = f"/api/v1/namespaces/{where}/pods/{name}/status"
    world.kube.merge(path, {"status": {"phase": phase}})


def _replace_node(world: World, chance: random.Random) -> None:
    """A Node goes, and one of its name comes."""
    name = chance.choice(NODES)
    world.kube.delete(f"{PATHS['nodes']}/{name}")
    world.kube.create(PATHS["nodes"], {"metadata": {"name": name}})


def _relabel_namespace(world: World, chance: random.Random) -> None:
    label = chance.choice(["gold", None])
    path = f"{PATHS['namespaces']}/{chance.choice(NAMESPACES)}"
    world.kube.merge(path, {"metadata": {"labels": {"class": label}}})


def _apply_template(world: World, chance: random.Random) -> None:
    name = f"t{chance.randrange(3)}"
    spec: Document = {
        "spiffeIDTemplate": chance.choice(
            [
                "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/pod/{{ .PodMeta.Name }}",
                "/sa/{{ .PodSpec.ServiceAccountName }}",
                '/team/{{ index .PodMeta.Labels "team" }}',
            ]
        ),
        **_attributes(chance, timed=True),
    }
    spec |= chance.choice(
        [
            {},
            {"podSelector": {"matchLabels": {"team": "team0"}}},
            {"podSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
            {"namespaceSelector": {"matchLabels": {"class": "gold"}}},
        ]
    )
    if chance.random() < 0.4:
        spec["workloadSelectorTemplates"] = ["k8s:ns:{{ .PodMeta.Namespace }}"]
    if chance.random() < 0.4:
        spec["dnsNameTemplates"] = ["{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc"]
    _put(world, f"{PATHS['templates']}/{name}", _SPIRE, "ClusterSPIFFEID", spec)


def _apply_static(world: World, chance: random.Random) -> None:
    name = f"s{chance.randrange(4)}"
    attributes = _attributes(chance, timed=True)
    spec: Document = {
        "spiffeID": _spiffe_id(chance),
        "parentID": f"{_ROOT}/agents/{CLUSTER}",
        "selectors": chance.choice(
            [["unix:uid:7"], ["k8s:ns:a", "k8s:sa:b"], [f"unix:user:{name}"]]
        ),
        "x509SVIDTTL": attributes.pop("ttl"),
        "jwtSVIDTTL": attributes.pop("jwtTtl"),
        **attributes,
    }
    _put(world, f"{PATHS['static']}/{name}", _SPIRE, "ClusterStaticEntry", spec)


def _apply_federation(world: World, chance: random.Random) -> None:
    number = chance.randrange(2)
    domain = f"d{number}.test"
    spec: Document = {
        "trustDomain": domain,
        "bundleEndpointURL": f"https://127.0.0.1:1/{chance.randrange(3)}",
        "bundleEndpointProfile": chance.choice(
            [
                {"type": "https_web"},
                {"type": "https_spiffe", "endpointSPIFFEID": f"spiffe://{domain}/bundle"},
            ]
        ),
    }
    path = f"{PATHS['federation']}/d{number}"
    _put(world, path, _SPIRE, "ClusterFederatedTrustDomain", spec)


def _apply_spiffe_id(world: World, chance: random.Random) -> None:
    namespace, name = chance.choice(NAMESPACES), f"i{chance.randrange(4)}"
    spec: Document = {
        "spiffeId": _spiffe_id(chance),
        "parentId": f"{_ROOT}/k8s-workload-registrar/{CLUSTER}/node/{chance.choice(NODES)}",
        "selector": {"namespace": namespace, "podLabel": {"app": f"x{chance.randrange(3)}"}},
        **_attributes(chance),
    }
    if chance.random() < 0.1:
        spec["selector"] = {"namespace": "elsewhere"}
    for word in ("jwtTtl", "admin"):
        spec.pop(word, None)
    path = f"/apis/{_SPIFFEID}/namespaces/{namespace}/spiffeids/{name}"
    _put(world, path, _SPIFFEID, "SpiffeID", spec)


def _delete_spiffe_id(world: World, chance: random.Random) -> None:
    namespace, name = chance.choice(NAMESPACES), f"i{chance.randrange(4)}"
    world.kube.delete(f"/apis/{_SPIFFEID}/namespaces/{namespace}/spiffeids/{name}")


def _delete_record(world: World, chance: random.Random) -> None:
    """Somebody deletes one of our SpireEntries by hand."""
    path = f"/apis/{_SPIFFEID}/spireentries"
    records = world.kube.list(path) or []
    if records:
        metadata = chance.choice(records)["metadata"]
        if isinstance(metadata, dict):
            world.kube.delete(f"{path}/{metadata['name']}")


def _set_bundle(world: World, chance: random.Random) -> None:
    """The server learns the bundle of a partner: entries that wait for it can be completed."""
    bundle = world.folder / "partner.pem"
    bundle.write_text(world.spire.bundle(), encoding="ascii")
    domain = f"spiffe://{chance.choice(_PARTNERS)}"
    world.spire.ask("bundle", "set", "-id", domain, "-path", str(bundle), "-format", "pem")


def _lose_bundle(world: World, chance: random.Random) -> None:
    domain = f"spiffe://{chance.choice(_PARTNERS)}"
    try:
        world.spire.ask("bundle", "delete", "-id", domain, "-mode", "dissociate")
    except ServerError as error:
        if "not found" not in str(error).lower() and "no such" not in str(error).lower():
            raise


def _delete_manifest(world: World, chance: random.Random) -> None:
    name = chance.choice(["s0", "s1", "s2", "s3", "d0", "d1"])
    (world.manifests / f"{name}.yaml").unlink(missing_ok=True)


def _spoil_manifest(world: World, chance: random.Random) -> None:
    """A file is cut off in the middle; or nothing of it is left, as on a full disk."""
    files = sorted(world.manifests.glob("*.yaml"))
    if files:
        file = chance.choice(files)
        left = file.read_text(encoding="utf-8")[:60] + '"' if chance.random() < 0.5 else ""
        file.write_text(left, encoding="utf-8")


def _mend_manifests(world: World, _chance: random.Random) -> None:
    """Files that nobody can read are taken away."""
    for file in world.manifests.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        if not text or text.endswith('"'):
            file.unlink()


def _put(world: World, path: str, version: str, kind: str, spec: Document) -> None:
    name = path.rpartition("/")[2]
    document: Document = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
    if world.mode.needs_cluster:
        world.kube.put(path, document)
        return
    file = world.manifests / f"{name}.yaml"
    beside = file.with_suffix(".new")
    beside.write_text(yaml.safe_dump(document), encoding="utf-8")
    beside.rename(file)


def _spiffe_id(chance: random.Random) -> str:
    """One of few, so that objects meet; sometimes one that is not ours to give."""
    if chance.random() < 0.12:
        return f"spiffe://other.test/a{chance.randrange(3)}"
    return f"{_ROOT}/a{chance.randrange(4)}"


def _attributes(chance: random.Random, *, timed: bool = False) -> Document:
    """What changes an entry in place; `timed` writes durations as texts."""
    ttl, jwt_ttl = chance.choice([0, 600, 1200]), chance.choice([0, 300])
    found: Document = {
        "ttl": f"{ttl}s" if timed else ttl,
        "jwtTtl": f"{jwt_ttl}s" if timed else jwt_ttl,
        "hint": chance.choice(["", "x", "y"]),
    }
    if chance.random() < 0.3:
        found["federatesWith"] = chance.choice([["p0.test"], ["p0.test", "p1.test"]])
    if not timed and chance.random() < 0.3:
        found["dnsNames"] = chance.choice([["a.test"], ["b.test", "a.test"]])
    return found


_DELETE_CLUSTER_SPIFFE_ID = partial(_delete, kind="clusterspiffeids", prefix="c", number=5)
_DELETE_TEMPLATE = partial(_delete, kind="templates", prefix="t", number=3)
_DELETE_STATIC = partial(_delete, kind="static", prefix="s", number=4)
_DELETE_FEDERATION = partial(_delete, kind="federation", prefix="d", number=2)
_PODS: dict[str, Action] = {
    "create-pod": _create_pod,
    "create-another-pod": _create_pod,
    "relabel-pod": _relabel_pod,
    "delete-pod": _delete_pod,
}
_BUNDLES: dict[str, Action] = {"set-bundle": _set_bundle, "lose-bundle": _lose_bundle}
_RECORDS: dict[str, Action] = {"delete-record": _delete_record}
_ACTIONS: dict[str, dict[str, Action]] = {
    "layered": {
        "apply-clusterspiffeid": _apply_cluster_spiffe_id,
        "apply-another-clusterspiffeid": _apply_cluster_spiffe_id,
        "delete-clusterspiffeid": _DELETE_CLUSTER_SPIFFE_ID,
        "finish-pod": _finish_pod,
        **_PODS,
        **_BUNDLES,
        **_RECORDS,
    },
    "controller-manager": {
        "apply-template": _apply_template,
        "delete-template": _DELETE_TEMPLATE,
        "apply-static": _apply_static,
        "delete-static": _DELETE_STATIC,
        "apply-federation": _apply_federation,
        "delete-federation": _DELETE_FEDERATION,
        "relabel-namespace": _relabel_namespace,
        "replace-node": _replace_node,
        **_PODS,
        **_BUNDLES,
        **_RECORDS,
    },
    "static": {
        "apply-static": _apply_static,
        "apply-another-static": _apply_static,
        "apply-federation": _apply_federation,
        "delete-manifest": _delete_manifest,
        "spoil-manifest": _spoil_manifest,
        "mend-manifests": _mend_manifests,
        **_BUNDLES,
    },
    "reconcile": {
        "finish-pod": _finish_pod,
        "replace-node": _replace_node,
        **_PODS,
        **_RECORDS,
    },
    "webhook": {"finish-pod": _finish_pod, **_PODS, **_RECORDS},
    "crd": {
        "apply-spiffeid": _apply_spiffe_id,
        "apply-another-spiffeid": _apply_spiffe_id,
        "delete-spiffeid": _delete_spiffe_id,
        "finish-pod": _finish_pod,
        "replace-node": _replace_node,
        **_PODS,
        **_BUNDLES,
        **_RECORDS,
    },
}
