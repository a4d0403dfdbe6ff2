"""Pod to ClusterSpiffeId."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.core import Pod, PodSpec, PodStatus
from api.meta import ObjectMeta
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from registrar.claims.pods import cluster_spiffe_id_for, identity_slice, pod_of
from registrar.claims.unmet import FINISHED, NAMESPACE_DISABLED, NOT_ASKED_FOR, Unmet
from registrar.errors import InvalidField
from registrar.settings.model import PodIdentity
from tests.support.builders import TRUST_DOMAIN, make_cluster_spiffe_id, make_pod

LABEL = PodIdentity("label", "spiffe")
ANNOTATION = PodIdentity("annotation", "spiffe")
ACCOUNT = PodIdentity("service_account")
A_PATH = "the path of a SPIFFE ID"


def test_the_label_gives_the_path() -> None:
    pod = make_pod(labels={"spiffe": "web"})
    obj = cluster_spiffe_id_for(pod, LABEL, trust_domain=TRUST_DOMAIN)
    assert isinstance(obj, ClusterSpiffeId)
    assert obj.spec.spiffe_id == "spiffe://example.org/web"
    assert obj.spec.selector.pod_uid == pod.metadata.uid
    assert obj.spec.selector.namespace == "shop"
    assert pod_of(obj) == pod.key


def test_the_annotation_gives_the_path_with_slashes() -> None:
    obj = cluster_spiffe_id_for(
        make_pod(annotations={"spiffe": "prod/web"}), ANNOTATION, trust_domain=TRUST_DOMAIN
    )
    assert isinstance(obj, ClusterSpiffeId)
    assert obj.spec.spiffe_id == "spiffe://example.org/prod/web"


def test_without_either_the_service_account_gives_it() -> None:
    obj = cluster_spiffe_id_for(make_pod(), ACCOUNT, trust_domain=TRUST_DOMAIN)
    assert isinstance(obj, ClusterSpiffeId)
    assert obj.spec.spiffe_id == "spiffe://example.org/ns/shop/sa/web"


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (make_pod(), Unmet(NOT_ASKED_FOR, "metadata.labels[spiffe]", A_PATH)),
        (
            make_pod(labels={"spiffe": ""}),
            Unmet(NOT_ASKED_FOR, "metadata.labels[spiffe]", A_PATH, ""),
        ),
        (
            make_pod(labels={"spiffe": "web"}, namespace="kube-system"),
            Unmet(
                NAMESPACE_DISABLED,
                "metadata.namespace",
                "none of disabled_namespaces",
                "kube-system",
            ),
        ),
        (
            make_pod(labels={"spiffe": "web"}, phase="Succeeded"),
            Unmet(FINISHED, "status.phase", "Pending or Running", "Succeeded"),
        ),
        (
            make_pod(labels={"spiffe": "web"}, phase="Failed"),
            Unmet(FINISHED, "status.phase", "Pending or Running", "Failed"),
        ),
    ],
    ids=["unlabelled", "empty label", "disabled namespace", "done", "failed"],
)
def test_some_pods_get_no_identity_and_the_rule_says_why(pod: Pod, why: Unmet) -> None:
    assert cluster_spiffe_id_for(pod, LABEL, trust_domain=TRUST_DOMAIN) == why


def test_a_label_that_makes_no_spiffe_id_is_named() -> None:
    with pytest.raises(InvalidField, match=r"metadata\.labels\[spiffe\]"):
        cluster_spiffe_id_for(make_pod(labels={"spiffe": "a//b"}), LABEL, trust_domain=TRUST_DOMAIN)


def test_a_label_cannot_reach_the_reserved_path() -> None:
    with pytest.raises(InvalidField, match="reserved"):
        cluster_spiffe_id_for(
            make_pod(labels={"spiffe": "spire"}), LABEL, trust_domain=TRUST_DOMAIN
        )


def test_two_pods_of_one_name_have_different_objects() -> None:
    one, two = (
        cluster_spiffe_id_for(make_pod(uid=uid), ACCOUNT, trust_domain=TRUST_DOMAIN)
        for uid in ("u1", "u2")
    )
    assert isinstance(one, ClusterSpiffeId)
    assert isinstance(two, ClusterSpiffeId)
    assert one.metadata.name != two.metadata.name


def test_an_object_that_merely_carries_the_label_is_not_taken_for_ours() -> None:
    obj = cluster_spiffe_id_for(make_pod(), ACCOUNT, trust_domain=TRUST_DOMAIN)
    assert isinstance(obj, ClusterSpiffeId)
    forged = make_cluster_spiffe_id("forged")
    forged.metadata.labels.update(obj.metadata.labels)
    forged.metadata.annotations.update(obj.metadata.annotations)
    assert pod_of(forged) is None


NAMES = st.sampled_from(["spiffe", "app", "web", "a//b", ""])
TABLES = st.dictionaries(NAMES, NAMES, max_size=3)


@given(
    pod=st.builds(
        Pod,
        metadata=st.builds(
            ObjectMeta,
            name=st.just("web-1"),
            namespace=st.sampled_from(["shop", "kube-system"]),
            uid=st.just("u1"),
            labels=TABLES,
            annotations=TABLES,
        ),
        spec=st.builds(PodSpec, service_account_name=NAMES, node_name=NAMES),
        status=st.builds(PodStatus, phase=st.sampled_from(["", "Running", "Failed"])),
    ),
    identity=st.sampled_from([LABEL, ANNOTATION, ACCOUNT]),
)
def test_the_slice_of_a_pod_gets_the_same_identity(pod: Pod, identity: PodIdentity) -> None:
    def outcome(of: Pod) -> object:
        try:
            return cluster_spiffe_id_for(of, identity, trust_domain=TRUST_DOMAIN)
        except InvalidField as error:
            return str(error)

    kept = identity_slice(pod, identity)
    assert outcome(kept) == outcome(pod)
    assert identity_slice(kept, identity) == kept
    assert kept.metadata.labels.keys() | kept.metadata.annotations.keys() <= {identity.key}


def test_a_pod_that_asks_for_nothing_keeps_no_labels_and_annotations() -> None:
    pod = make_pod(labels={"app": "web"}, annotations={"spiffe": "web", "note": "x" * 1000})
    kept = identity_slice(pod, LABEL)
    assert kept.metadata.labels == {}
    assert kept.metadata.annotations == {}
    assert (kept.key, kept.metadata.uid) == (pod.key, pod.metadata.uid)
    assert kept.metadata.resource_version == pod.metadata.resource_version
