"""Which entries' selectors a Pod has."""

import pytest

from api.attested import AttestedPod, AttestedSpec, AttestedStatus, ContainerStatus
from api.meta import ObjectMeta, OwnerReference
from registrar.claims.podselectors import PodSelectors
from registrar.identity.selectors import Selector, parse_selector

POD = AttestedPod(
    metadata=ObjectMeta(
        name="web-1",
        namespace="shop",
        uid="u1",
        labels={"app": "web"},
        owner_references=(OwnerReference(kind="ReplicaSet", name="web", uid="r1"),),
    ),
    spec=AttestedSpec(service_account_name="web", node_name="n1"),
    status=AttestedStatus(
        phase="Running",
        container_statuses=(
            ContainerStatus(name="main", image="example.org/main:1", image_id="main@sha256:1"),
            ContainerStatus(name="side", image="example.org/side:1", image_id="side@sha256:2"),
        ),
    ),
)
HAS = PodSelectors(POD)


def selectors(*texts: str) -> list[Selector]:
    return [parse_selector(text, path="selector") for text in texts]


def missing(*texts: str) -> list[str]:
    return [str(selector) for selector in HAS.fit(selectors(*texts)).missing]


@pytest.mark.parametrize(
    "text",
    [
        "ns:shop",
        "sa:web",
        "node-name:n1",
        "pod-uid:u1",
        "pod-name:web-1",
        "pod-label:app:web",
        "pod-owner:ReplicaSet:web",
        "pod-owner-uid:ReplicaSet:r1",
        "pod-image:example.org/side:1",
        "pod-image-count:2",
        "pod-init-image-count:0",
        "container-name:side",
        "container-image:main@sha256:1",
    ],
)
def test_a_pod_has_the_selectors_that_the_attestor_gives_it(text: str) -> None:
    assert HAS.fit(selectors(f"k8s:{text}")).is_whole


def test_all_selectors_must_be_those_of_one_container() -> None:
    assert missing("k8s:ns:shop", "k8s:container-name:main") == []
    assert len(missing("k8s:container-name:main", "k8s:container-image:example.org/side:1")) == 1


def test_what_is_missing_is_told_with_what_the_pod_has_instead() -> None:
    assert missing("k8s:ns:shop", "k8s:sa:db") == ["k8s:sa:db"]
    assert HAS.instead_of(Selector("k8s", "sa:db")) == "web"
    assert HAS.instead_of(Selector("k8s", "pod-label:app:db")) == "web"
    assert HAS.instead_of(Selector("k8s", "pod-label:tier:db")) is None


def test_what_only_an_agent_can_tell_is_not_called_missing() -> None:
    fit = HAS.fit(selectors("unix:uid:0", "k8s:image-signature-subject:x", "k8s:ns:shop"))
    assert (len(fit.unknown), fit.matched, fit.is_whole) == (2, 1, True)


def test_before_its_containers_run_their_selectors_are_not_known() -> None:
    young = PodSelectors(AttestedPod(metadata=POD.metadata, spec=POD.spec))
    assert young.fit(selectors("k8s:container-name:main", "k8s:pod-image-count:2")).is_whole


def test_an_init_container_is_attested_too() -> None:
    init = (ContainerStatus(name="init", image="example.org/init:1", image_id="init@sha256:3"),)
    status = AttestedStatus(
        container_statuses=POD.status.container_statuses, init_container_statuses=init
    )
    has = PodSelectors(AttestedPod(metadata=POD.metadata, spec=POD.spec, status=status))
    assert has.fit(
        selectors("k8s:container-name:init", "k8s:container-image:init@sha256:3")
    ).is_whole
    assert has.fit(selectors("k8s:pod-image-count:2", "k8s:container-name:main")).is_whole
    alone = AttestedStatus(init_container_statuses=init)
    young = PodSelectors(AttestedPod(metadata=POD.metadata, spec=POD.spec, status=alone))
    assert young.fit(selectors("k8s:container-name:init")).is_whole
