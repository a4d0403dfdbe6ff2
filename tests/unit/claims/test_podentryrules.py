"""The rule of the reconcile and webhook modes: what a Pod claims, and what it is told."""

from dataclasses import replace

import msgspec

from api.core import Pod
from api.meta import ObjectKey
from registrar.claims.claim import Claim
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.podentry import PodEntries, root_path
from registrar.claims.podentryrules import PodEntryRules, PodEntryView
from registrar.claims.podrules import (
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_OF_ANOTHER_SERVICE,
    SERVICES_UNREADABLE,
    Wanted,
)
from registrar.claims.servicenames import Shared
from registrar.settings.model import PodIdentity
from tests.support.builders import make_pod

ENTRIES = PodEntries(
    trust_domain="example.org",
    cluster="test",
    identity=PodIdentity("label", "spiffe"),
    root=root_path("spire-k8s-registrar", "test"),
    per_node=True,
    dns_zone="cluster.local",
)
WEB = ServiceAddress("web", "10.0.0.7", "", is_ready=True)


def pod(spiffe: str = "web", **annotations: str) -> Pod:
    """A bound Pod with an address."""
    made = make_pod(labels={"spiffe": spiffe} if spiffe else {}, annotations=annotations)
    return msgspec.structs.replace(
        made,
        spec=msgspec.structs.replace(made.spec, node_name="n1"),
        status=msgspec.structs.replace(made.status, pod_ip="10.0.0.7"),
    )


async def want(view: PodEntryView) -> Wanted:
    return await PodEntryRules(ENTRIES).want(view)


async def names(view: PodEntryView) -> set[str]:
    (claim,) = (await want(view)).claims
    return set(claim.attributes.dns_names)


async def known() -> Claim:
    """What it claims with its service."""
    (claim,) = (await want(PodEntryView(pod=pod(), addresses=(WEB,)))).claims
    return claim


async def test_a_pod_claims_by_its_label_and_all_is_well() -> None:
    wanted = await want(PodEntryView(pod=pod(), namespace_uid="ns-1"))
    (claim,) = wanted.claims
    assert (claim.key.spiffe_id, claim.namespace_uid) == ("spiffe://example.org/web", "ns-1")
    assert set(wanted.warnings.values()) == {""}


async def test_a_pod_that_asks_for_nothing_gets_nothing_and_hears_nothing() -> None:
    wanted = await want(PodEntryView(pod=pod(""), unreadable="no right to read"))
    assert wanted.claims == ()
    assert wanted.problem is None
    assert set(wanted.warnings.values()) == {""}


async def test_a_label_that_makes_no_id_is_a_problem_of_the_whole_pod() -> None:
    wanted = await want(PodEntryView(pod=pod("spire")))
    assert wanted.problem is not None
    assert "metadata.labels[spiffe]" in wanted.warnings[INVALID_IDENTITY]
    assert list(wanted.warnings) == [INVALID_IDENTITY]


async def test_a_bad_trust_domain_costs_a_warning_only() -> None:
    wanted = await want(PodEntryView(pod=pod(**{"spiffe.io/federatesWith": "???"})))
    assert len(wanted.claims) == 1
    assert "???" in wanted.warnings[INVALID_FEDERATION]


async def test_names_stay_while_services_cannot_be_read() -> None:
    before = await known()
    view = PodEntryView(pod=pod(), unreadable="no right to read", last_good=(before,))
    assert "web.shop.svc" in await names(view)
    assert (await want(view)).warnings[SERVICES_UNREADABLE] == "no right to read"


async def test_names_of_another_address_do_not_stay() -> None:
    before = await known()
    attributes = replace(before.attributes, dns_names=("web.shop.svc", "10-9-9-9.shop.pod"))
    view = PodEntryView(
        pod=pod(), unreadable="no", last_good=(replace(before, attributes=attributes),)
    )
    assert "web.shop.svc" not in await names(view)


async def test_a_name_that_is_another_services_is_left_out_and_said() -> None:
    every = await names(PodEntryView(pod=pod(), addresses=(WEB,)))
    name = min(every)
    taken = (Shared(name, ObjectKey("prod", "vault")),)
    view = PodEntryView(pod=pod(), addresses=(WEB,), taken=taken)
    assert await names(view) == every - {name}
    assert name in (await want(view)).warnings[NAME_OF_ANOTHER_SERVICE]
