"""Hostile texts in every field that a tenant, or whoever reaches a webhook, writes.

Each text stands in each field of each kind in turn, and each list is very long once. What comes
of it is a claim or an error that names the field, and soon: one object holds up everybody.
"""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from api.codec import DecodeError, JSONObject, JSONValue, convert
from api.core import Pod
from api.errors import InvalidField
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION, SpireEntry
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from registrar.claims import clusterspiffeid, clusterstaticentry, record, spiffeid
from registrar.claims.claim import Claim
from registrar.claims.federatedtrustdomain import wanted_by
from registrar.claims.federation import resolve
from registrar.claims.federationannotation import FEDERATES_WITH_ANNOTATION, annotated_federation
from registrar.claims.naming import Naming
from registrar.claims.podentry import PodEntries, pod_claim
from registrar.claims.pods import cluster_spiffe_id_for
from registrar.claims.podspiffeid import compile_rules, spiffe_id_for_pod
from registrar.claims.podtemplate import Surroundings, compile_template
from registrar.claims.release import confirmed_deletions
from registrar.claims.unmet import Unmet
from registrar.settings.model import CRDMode, PodIdentity
from tests.support.cputime import soon

TD = "example.org"
KNOWN = [f"{'a' * 100}-{number}.example" for number in range(1000)]
AROUND = Surroundings(trust_domain=TD, cluster_name="c", cluster_domain="cluster.local")

TEXTS = {
    "stars": "*" * 24 + "x",
    "many stars": "*a" * 100_000,
    "digits": "9" * 5000,
    "letters": "a" * 1_000_000 + "!",
    "commas": "a.test," * 50_000,
    "pattern commas": "*.a," * 50_000,
    "labels": "a." * 300_000,
    "slashes": "spiffe://example.org" + "/a" * 300_000,
    "colons": "k8s:" * 200_000,
    "durations": "1h" * 300_000,
    "control": "\x1b[31m\x00\r\n\u202e",
    "braces": "{{" * 50_000,
    "deep JSON": '{"a":' * 100_000,
    "hyphens": "a" + "-" * 1_000_000,
    "punycode": "xn--" + "a" * 500_000,
}


def _spiffe_id(obj: SpiffeID) -> Claim:
    return spiffeid.claim_of(obj, trust_domain=TD, own_namespace="spire")


def _pod(pod: Pod) -> None:
    """Everything that is made of a Pod in the modes that need no template."""
    for mode in ("label", "annotation", "service_account"):
        identity = PodIdentity(mode, "id")
        entries = PodEntries(TD, "c", identity, "/spire-k8s-registrar/c/node", per_node=False)
        with contextlib.suppress(InvalidField):
            cluster_spiffe_id_for(pod, identity, trust_domain=TD)
        with contextlib.suppress(InvalidField):
            _served(pod_claim(pod, entries, addresses=()))
        rules = compile_rules(
            CRDMode(), identity, trust_domain=TD, cluster="c", own_namespace="spire"
        )
        with contextlib.suppress(InvalidField):
            spiffe_id_for_pod(pod, rules, ())
    resolve(annotated_federation(pod.metadata.annotations, TD).domains, KNOWN)


def _record(obj: SpireEntry) -> None:
    record.key_of(obj)
    confirmed_deletions(obj.metadata)


def _served(claim: Claim | Unmet) -> None:
    """What follows of a claim before SPIRE is asked."""
    if isinstance(claim, Claim):
        Naming("").candidate(claim.key)
        resolve(claim.attributes.federates_with, KNOWN)


META: JSONObject = {"name": "x", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-01"}
SELECTOR: JSONObject = {"namespace": "shop", "podLabel": {"app": "web"}, "arbitrary": ["a:b"]}
DOCUMENTS: dict[str, tuple[JSONObject, Callable[[JSONObject], object]]] = {
    "SpiffeID": (
        {
            "spiffeId": "spiffe://example.org/x",
            "parentId": "spiffe://example.org/p",
            "selector": SELECTOR,
            "dnsNames": ["a.test"],
            "federatesWith": ["b.test"],
            "hint": "h",
        },
        lambda found: _served(_spiffe_id(convert(found, SpiffeID))),
    ),
    "ClusterSpiffeId": (
        {
            "spiffeId": "spiffe://example.org/x",
            "selector": SELECTOR,
            "dnsNames": ["a.test"],
            "federatesWith": ["b.test"],
            "hint": "h",
        },
        lambda found: _served(
            clusterspiffeid.claim_of(convert(found, ClusterSpiffeId), trust_domain=TD, cluster="c")
        ),
    ),
    "ClusterSPIFFEID": (
        {
            "spiffeIDTemplate": "/x",
            "parentIDTemplate": "/p",
            "dnsNameTemplates": ["a"],
            "workloadSelectorTemplates": ["a:b"],
            "ttl": "1h",
            "hint": "h",
            "federatesWith": ["b.test"],
            "podSelector": {
                "matchLabels": {"a": "b"},
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
            },
        },
        lambda found: compile_template(convert(found, ClusterSPIFFEID), AROUND),
    ),
    "ClusterStaticEntry": (
        {
            "spiffeID": "spiffe://example.org/x",
            "parentID": "spiffe://example.org/p",
            "selectors": ["a:b"],
            "dnsNames": ["a.test"],
            "federatesWith": ["b.test"],
            "x509SVIDTTL": "1h",
            "hint": "h",
        },
        lambda found: _served(
            clusterstaticentry.claim_of(convert(found, ClusterStaticEntry), trust_domain=TD)
        ),
    ),
    "ClusterFederatedTrustDomain": (
        {
            "trustDomain": "b.test",
            "bundleEndpointURL": "https://b.test/bundle",
            "bundleEndpointProfile": {
                "type": "https_spiffe",
                "endpointSPIFFEID": "spiffe://b.test/x",
            },
            "trustDomainBundle": '{"keys": []}',
        },
        lambda found: wanted_by(convert(found, ClusterFederatedTrustDomain), trust_domain=TD),
    ),
    "SpireEntry": (
        {
            "spiffeId": "spiffe://example.org/x",
            "parentId": "spiffe://example.org/p",
            "selectors": ["a:b"],
        },
        lambda found: _record(convert(found, SpireEntry)),
    ),
    "Pod": (
        {"serviceAccountName": "default", "nodeName": "n", "hostname": "h"},
        lambda found: _pod(convert(found, Pod)),
    ),
}


def whole(spec: JSONObject) -> JSONObject:
    """An object with that spec, whose metadata a tenant writes too."""
    return {
        "metadata": {
            **META,
            "labels": {"id": "a/b", "e": ""},
            "annotations": {
                "id": "a/b",
                FEDERATES_WITH_ANNOTATION: "b.test",
                CONFIRM_DELETIONS_ANNOTATION: "1",
            },
        },
        "spec": spec,
    }


def variants(value: JSONValue, text: str) -> Iterator[JSONValue]:
    """The document with the text in one place after the other: values, keys, long lists."""
    if isinstance(value, str):
        yield text
    elif isinstance(value, list):
        for number, item in enumerate(value):
            for other in variants(item, text):
                yield [*value[:number], other, *value[number + 1 :]]
        yield [text[:200] + str(number) for number in range(5000)]
    elif isinstance(value, dict):
        for key, item in value.items():
            for other in variants(item, text):
                yield {**value, key: other}
        yield {**value, text: "x"}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_objects_are_right_before(kind: str) -> None:
    spec, work = DOCUMENTS[kind]
    work(whole(spec))


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_in_any_field_is_answered_soon(kind: str, text: str) -> None:
    spec, work = DOCUMENTS[kind]
    for document in variants(whole(spec), text):
        with soon(), contextlib.suppress(InvalidField, DecodeError):
            assert isinstance(document, dict)
            work(document)
