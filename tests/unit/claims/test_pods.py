"""Pod to ClusterSpiffeId."""

import pytest

from registrar.claims.pods import cluster_spiffe_id_for, pod_of
from registrar.errors import InvalidField
from registrar.settings.model import PodIdentity
from tests.support.builders import TRUST_DOMAIN, make_cluster_spiffe_id, make_pod

LABEL = PodIdentity("label", "spiffe")
ANNOTATION = PodIdentity("annotation", "spiffe")
ACCOUNT = PodIdentity("service_account")


def test_the_label_gives_the_path() -> None:
    pod = make_pod(labels={"spiffe": "web"})
    obj = cluster_spiffe_id_for(pod, LABEL, trust_domain=TRUST_DOMAIN)
    assert obj is not None
    assert obj.spec.spiffe_id == "spiffe://example.org/web"
    assert obj.spec.selector.pod_uid == pod.metadata.uid
    assert obj.spec.selector.namespace == "shop"
    assert pod_of(obj) == pod.key


def test_the_annotation_gives_the_path_with_slashes() -> None:
    obj = cluster_spiffe_id_for(
        make_pod(annotations={"spiffe": "prod/web"}), ANNOTATION, trust_domain=TRUST_DOMAIN
    )
    assert obj is not None
    assert obj.spec.spiffe_id == "spiffe://example.org/prod/web"


def test_without_either_the_service_account_gives_it() -> None:
    obj = cluster_spiffe_id_for(make_pod(), ACCOUNT, trust_domain=TRUST_DOMAIN)
    assert obj is not None
    assert obj.spec.spiffe_id == "spiffe://example.org/ns/shop/sa/web"


@pytest.mark.parametrize(
    "pod",
    [
        make_pod(),
        make_pod(labels={"spiffe": ""}),
        make_pod(labels={"spiffe": "web"}, namespace="kube-system"),
        make_pod(labels={"spiffe": "web"}, phase="Succeeded"),
        make_pod(labels={"spiffe": "web"}, phase="Failed"),
    ],
    ids=["unlabelled", "empty label", "disabled namespace", "done", "failed"],
)
def test_some_pods_get_no_identity(pod: object) -> None:
    assert cluster_spiffe_id_for(pod, LABEL, trust_domain=TRUST_DOMAIN) is None  # type: ignore[arg-type]


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
    assert one is not None
    assert two is not None
    assert one.metadata.name != two.metadata.name


def test_an_object_that_merely_carries_the_label_is_not_taken_for_ours() -> None:
    obj = cluster_spiffe_id_for(make_pod(), ACCOUNT, trust_domain=TRUST_DOMAIN)
    assert obj is not None
    forged = make_cluster_spiffe_id("forged")
    forged.metadata.labels.update(obj.metadata.labels)
    forged.metadata.annotations.update(obj.metadata.annotations)
    assert pod_of(forged) is None
