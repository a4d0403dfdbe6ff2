"""Where a ClusterFederatedTrustDomain has its bundle from, and what is said of what it shows."""

import pytest

from api.codec import convert
from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import (
    BundleSource,
    ClusterFederatedTrustDomain,
    ConfigMapKeyRef,
)
from registrar.claims.bundlesource import (
    Source,
    check_source,
    forbidden,
    missing,
    reading_of,
    source_named,
    unread,
    without_cluster,
)
from registrar.claims.federatedtrustdomain import wanted_by
from registrar.errors import InvalidField
from tests.support.federation import document, seed

SOURCE = Source(ObjectKey("partners", "bundle"), "bundle.json")


def ref(**fields: str) -> BundleSource:
    given = {"namespace": "partners", "name": "bundle", "key": "bundle.json", **fields}
    return BundleSource(config_map_key_ref=ConfigMapKeyRef(**given))


def test_a_source_is_one_entry_of_a_configmap() -> None:
    assert check_source(ref()) == SOURCE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namespace", ""),
        ("namespace", "a,b"),
        ("namespace", "a/b"),
        ("namespace", "a" * 64),
        ("name", ""),
        ("name", "x,metadata.namespace=kube-system"),
        ("name", "Upper"),
        ("name", "a." * 127),
        ("key", ""),
        ("key", "../x"),
    ],
)
def test_what_cannot_be_a_name_is_refused_by_its_field(field: str, value: str) -> None:
    with pytest.raises(InvalidField) as raised:
        check_source(ref(**{field: value}))
    assert raised.value.path == f"spec.trustDomainBundleFrom.configMapKeyRef.{field}"
    assert raised.value.value == value


def test_a_source_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidField, match="configMapKeyRef"):
        check_source(BundleSource())


def of_spec(**spec: object) -> ClusterFederatedTrustDomain:
    whole = {"trustDomain": "partner.test", **spec}
    return convert({"metadata": {"name": "p"}, "spec": whole}, ClusterFederatedTrustDomain)  # type: ignore[dict-item]


REF = {"configMapKeyRef": {"namespace": "partners", "name": "bundle", "key": "bundle.json"}}


def test_an_object_may_have_its_bundle_from_a_source_alone() -> None:
    obj = of_spec(trustDomainBundleFrom=REF)
    wanted = wanted_by(obj, trust_domain="example.org")
    assert (wanted.relationship, wanted.bundle, wanted.source) == (None, None, SOURCE)
    assert source_named(obj) == SOURCE


def test_an_object_names_none_where_it_says_nothing_or_nonsense() -> None:
    assert source_named(of_spec()) is None
    assert source_named(of_spec(trustDomainBundleFrom={})) is None


def test_both_a_bundle_and_a_source_are_refused() -> None:
    obj = of_spec(trustDomainBundle=document(seed("a")), trustDomainBundleFrom=REF)
    with pytest.raises(InvalidField, match="trustDomainBundle gives the bundle already"):
        wanted_by(obj, trust_domain="example.org")


def test_what_is_published_is_read() -> None:
    bundle = seed("a")
    reading = reading_of(SOURCE, {"bundle.json": document(bundle)}, trust_domain="partner.test")
    assert reading.bundle is not None
    assert reading.bundle.vouches_like(bundle)
    assert reading.problem is None


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (reading_of(SOURCE, {}, trust_domain="a.test"), "BundleSourceKeyMissing"),
        (reading_of(SOURCE, {"bundle.json": "?"}, trust_domain="a.test"), "BundleSourceInvalid"),
        (missing(SOURCE), "BundleSourceMissing"),
        (forbidden(SOURCE, "403"), "BundleSourceForbidden"),
        (unread(SOURCE, "503"), "BundleSourceUnread"),
        (without_cluster(SOURCE), "InvalidSpec"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_problem_names_the_field_and_the_value(reading: object, reason: str) -> None:
    problem = getattr(reading, "problem", None)
    assert problem is not None
    assert problem.reason == reason
    assert problem.message.startswith(
        "spec.trustDomainBundleFrom.configMapKeyRef: 'partners/bundle:bundle.json': "
    )
