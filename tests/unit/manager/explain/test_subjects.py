"""What can be asked about, as people write it."""

import pytest

from manager.explain.subjects import Subject, subject_of
from registrar.errors import InvalidField


@pytest.mark.parametrize(
    ("text", "kind", "namespace"),
    [
        ("pod/a", "Pod", "shop"),
        ("pods/a", "Pod", "shop"),
        ("po/a", "Pod", "shop"),
        ("spireentry/a", "SpireEntry", ""),
        ("spentry/a", "SpireEntry", ""),
        ("spid/a", "SpiffeID", "shop"),
        ("spiffeids.spiffeid.spiffe.io/a", "SpiffeID", "shop"),
        ("clusterstaticentries/a", "ClusterStaticEntry", ""),
        ("clusterfederatedtrustdomain/a", "ClusterFederatedTrustDomain", ""),
        ("clusterspiffeid/a", "ClusterSpiffeId", ""),
        ("ClusterSPIFFEID/a", "ClusterSPIFFEID", ""),
        ("clusterspiffeid.spire.spiffe.io/a", "ClusterSPIFFEID", ""),
        ("cspid/a", "ClusterSpiffeId", ""),
    ],
)
def test_kinds_are_known_by_all_their_names(text: str, kind: str, namespace: str) -> None:
    assert subject_of(text, "shop", is_manager=False) == Subject(kind, namespace, "a")


def test_of_two_kinds_of_one_name_the_modes_own_is_meant() -> None:
    assert subject_of("clusterspiffeid/a", "x", is_manager=True).kind == "ClusterSPIFFEID"
    assert subject_of("ClusterSpiffeId/a", "x", is_manager=True).kind == "ClusterSpiffeId"


def test_ids_may_hold_what_no_name_can() -> None:
    spiffe_id = "spiffe://example.org/a/B"
    assert subject_of(f"spiffe-id/{spiffe_id}", "", is_manager=True).name == spiffe_id
    assert subject_of("entry/A_b", "", is_manager=True) == Subject("entry", "", "A_b")


@pytest.mark.parametrize(
    ("text", "namespace", "words"),
    [
        ("web-1", "shop", "write KIND/NAME"),
        ("pod/", "shop", "write KIND/NAME"),
        ("deployment/web", "shop", "the kind is none of pod"),
        ("pod/a,metadata.name=b", "shop", "no object can have that name"),
        ("pod/a", "Shop", "--namespace"),
    ],
)
def test_what_means_nothing_is_refused(text: str, namespace: str, words: str) -> None:
    with pytest.raises(InvalidField) as caught:
        subject_of(text, namespace, is_manager=False)
    assert words in str(caught.value)
