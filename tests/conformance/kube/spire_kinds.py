"""The controller manager's kinds, in a group of the suite's own, so that they disturb nobody."""

from api.crd import CUSTOM_KINDS, crd
from devcluster.kubeapi.documents import JSONObject, JSONValue, child, copy_of, text
from tests.conformance.kube.client import CRDS, Kube
from tests.support.waiting import eventually

GROUP = "conformance.spire.spiffe.io"
DEFINITIONS = {
    custom.kind.kind: crd(custom)
    for custom in CUSTOM_KINDS
    if custom.kind.group == "spire.spiffe.io"
}
WEB_PROFILE: JSONObject = {"type": "https_web"}
STATIC: JSONObject = {
    "spiffeID": "spiffe://example.org/web",
    "parentID": "spiffe://example.org/spire/agent/x509pop/1",
    "selectors": ["unix:uid:1001"],
}


def definition(kind: str) -> JSONObject:
    """The CRD of a kind in the suite's group."""
    document = copy_of(DEFINITIONS[kind])
    spec = child(document, "spec")
    spec["group"] = GROUP
    name = f"{text(spec, 'names', 'plural')}.{GROUP}"
    document["metadata"] = {"name": name, "labels": {"suite": "kube"}}
    return document


def path_of(kind: str) -> str:
    """The collection of a kind."""
    return f"/apis/{GROUP}/v1alpha1/{text(DEFINITIONS[kind], 'spec', 'names', 'plural')}"


def document_of(kind: str, spec: JSONValue, name: str = "it") -> JSONObject:
    """An object of that spec."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


async def served(kube: Kube, kind: str, document: JSONObject) -> None:
    """Install a definition and wait until the kind is served."""
    answer = await kube.post(CRDS, document)
    assert answer.code in {201, 409}, answer.body

    async def is_served() -> bool:
        return (await kube.get(path_of(kind))).code == 200

    await eventually(is_served)


def federating(**fields: JSONValue) -> JSONObject:
    """A ClusterFederatedTrustDomain that is fine, but for the fields given."""
    return {
        "trustDomain": "a",
        "bundleEndpointURL": "https://a",
        "bundleEndpointProfile": WEB_PROFILE,
        **fields,
    }
