"""What a SPIRE server does about federation relationships and the bundles that come with them."""

import grpc
import pytest

from api.proto import bundle_pb2, bundle_pb2_grpc, trustdomain_pb2, trustdomain_pb2_grpc, types_pb2
from devcluster.spire.authority import Authority
from tests.conformance.spire.conftest import DEADLINE_SECONDS, Target

OK = 0
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]

Relationship = types_pb2.FederationRelationship
Mask = types_pb2.FederationRelationshipMask


def stub_of(target: Target) -> "trustdomain_pb2_grpc.TrustDomainAsyncStub":
    return trustdomain_pb2_grpc.TrustDomainStub(target.channel)


def web(name: str, url: str = "") -> types_pb2.FederationRelationship:
    return Relationship(
        trust_domain=name,
        bundle_endpoint_url=url or f"https://{name}/bundle",
        https_web=types_pb2.HTTPSWebProfile(),
    )


def bundle_of(name: str) -> types_pb2.Bundle:
    der = Authority(name).certificate_der
    return types_pb2.Bundle(
        trust_domain=name, x509_authorities=[types_pb2.X509Certificate(asn1=der)]
    )


async def create(
    target: Target, *relationships: types_pb2.FederationRelationship
) -> list[trustdomain_pb2.BatchCreateFederationRelationshipResponse.Result]:
    response = await stub_of(target).BatchCreateFederationRelationship(
        trustdomain_pb2.BatchCreateFederationRelationshipRequest(
            federation_relationships=relationships
        ),
        timeout=DEADLINE_SECONDS,
    )
    return list(response.results)


async def get(target: Target, name: str) -> types_pb2.FederationRelationship:
    return await stub_of(target).GetFederationRelationship(
        trustdomain_pb2.GetFederationRelationshipRequest(trust_domain=name),
        timeout=DEADLINE_SECONDS,
    )


async def test_a_relationship_is_stored_and_listed(target: Target) -> None:
    name = target.foreign_domain()
    (result,) = await create(target, web(name))
    assert result.status.code == OK
    assert result.federation_relationship == web(name)
    assert await get(target, name) == web(name)
    listed = await stub_of(target).ListFederationRelationships(
        trustdomain_pb2.ListFederationRelationshipsRequest(), timeout=DEADLINE_SECONDS
    )
    assert web(name) in listed.federation_relationships


async def test_the_spiffe_profile_keeps_its_endpoint_id(target: Target) -> None:
    name = target.foreign_domain()
    given = Relationship(
        trust_domain=name,
        bundle_endpoint_url=f"https://{name}/bundle",
        https_spiffe=types_pb2.HTTPSSPIFFEProfile(endpoint_spiffe_id=f"spiffe://{name}/endpoint"),
    )
    (result,) = await create(target, given)
    assert result.status.code == OK
    assert (await get(target, name)).https_spiffe == given.https_spiffe


async def test_a_bundle_given_at_creation_is_stored(target: Target) -> None:
    name = target.foreign_domain()
    given = web(name)
    given.trust_domain_bundle.CopyFrom(bundle_of(name))
    (result,) = await create(target, given)
    assert result.status.code == OK
    held = await bundle_pb2_grpc.BundleStub(target.channel).GetFederatedBundle(
        bundle_pb2.GetFederatedBundleRequest(trust_domain=name), timeout=DEADLINE_SECONDS
    )
    expected = given.trust_domain_bundle.x509_authorities[0].asn1
    assert [authority.asn1 for authority in held.x509_authorities] == [expected]
    shown = (await get(target, name)).trust_domain_bundle
    assert [authority.asn1 for authority in shown.x509_authorities] == [expected]

    entry = target.entry()
    entry.federates_with.append(name)
    await target.created(entry)


@pytest.mark.parametrize(
    "url",
    ["http://{}/bundle", "https://user@{}/bundle", "https:///bundle", "{}"],
    ids=["not-https", "userinfo", "no-host", "no-scheme"],
)
async def test_the_endpoint_url_must_be_https_with_a_host_and_no_user(
    target: Target, url: str
) -> None:
    name = target.foreign_domain()
    refused, accepted = await create(
        target, web(name, url.format(name)), web(target.foreign_domain())
    )
    assert refused.status.code == INVALID_ARGUMENT
    assert accepted.status.code == OK


async def test_other_nonsense_is_an_invalid_argument(target: Target) -> None:
    name = target.foreign_domain()
    no_profile, no_endpoint, other_bundle = web(name), web(name), web(name)
    no_profile.ClearField("https_web")
    no_endpoint.https_spiffe.CopyFrom(types_pb2.HTTPSSPIFFEProfile())
    other_bundle.trust_domain_bundle.CopyFrom(bundle_of(target.foreign_domain()))
    given = [no_profile, no_endpoint, other_bundle, web(target.trust_domain), web("no/domain")]
    results = await create(target, *given)
    assert [result.status.code for result in results] == [INVALID_ARGUMENT] * len(given)


async def test_a_second_relationship_with_a_trust_domain_is_refused(target: Target) -> None:
    name = target.foreign_domain()
    first, second = await create(target, web(name), web(name, f"https://{name}/other"))
    assert first.status.code == OK
    assert second.status.code != OK
    assert await get(target, name) == web(name)


async def test_an_update_changes_what_its_mask_names(target: Target) -> None:
    name = target.foreign_domain()
    await create(target, web(name))
    change = Relationship(
        trust_domain=name,
        bundle_endpoint_url=f"https://{name}/other",
        https_spiffe=types_pb2.HTTPSSPIFFEProfile(endpoint_spiffe_id=f"spiffe://{name}/endpoint"),
    )
    request = trustdomain_pb2.BatchUpdateFederationRelationshipRequest(
        federation_relationships=[change], input_mask=Mask(bundle_endpoint_url=True)
    )
    response = await stub_of(target).BatchUpdateFederationRelationship(
        request, timeout=DEADLINE_SECONDS
    )
    assert response.results[0].status.code == OK
    assert await get(target, name) == web(name, f"https://{name}/other")


async def test_the_bundle_changes_only_with_a_relationship_that_brings_one(target: Target) -> None:
    name = target.foreign_domain()
    bundles = bundle_pb2_grpc.BundleStub(target.channel)

    async def held() -> bytes:
        request = bundle_pb2.GetFederatedBundleRequest(trust_domain=name)
        found = await bundles.GetFederatedBundle(request, timeout=DEADLINE_SECONDS)
        return found.x509_authorities[0].asn1

    async def update(given: types_pb2.FederationRelationship, *, with_bundle: bool) -> None:
        response = await stub_of(target).BatchUpdateFederationRelationship(
            trustdomain_pb2.BatchUpdateFederationRelationshipRequest(
                federation_relationships=[given],
                input_mask=Mask(bundle_endpoint_url=True, trust_domain_bundle=with_bundle),
            ),
            timeout=DEADLINE_SECONDS,
        )
        assert [result.status.code for result in response.results] == [OK]

    first, second, third = (bundle_of(name) for _ in range(3))
    await bundles.BatchSetFederatedBundle(
        bundle_pb2.BatchSetFederatedBundleRequest(bundle=[first]), timeout=DEADLINE_SECONDS
    )
    given = web(name)
    await create(target, given)
    assert await held() == first.x509_authorities[0].asn1
    given.trust_domain_bundle.CopyFrom(second)
    given.bundle_endpoint_url = f"https://{name}/other"
    await update(given, with_bundle=False)
    assert await held() == first.x509_authorities[0].asn1
    await update(given, with_bundle=True)
    assert await held() == second.x509_authorities[0].asn1
    await stub_of(target).BatchDeleteFederationRelationship(
        trustdomain_pb2.BatchDeleteFederationRelationshipRequest(trust_domains=[name]),
        timeout=DEADLINE_SECONDS,
    )
    assert await held() == second.x509_authorities[0].asn1
    given.trust_domain_bundle.CopyFrom(third)
    await create(target, given)
    assert await held() == third.x509_authorities[0].asn1


async def test_an_update_of_nobody_fails_for_that_item(target: Target) -> None:
    request = trustdomain_pb2.BatchUpdateFederationRelationshipRequest(
        federation_relationships=[web(target.foreign_domain())]
    )
    response = await stub_of(target).BatchUpdateFederationRelationship(
        request, timeout=DEADLINE_SECONDS
    )
    assert response.results[0].status.code != OK


async def test_each_deletion_has_a_result_of_its_own(target: Target) -> None:
    name = target.foreign_domain()
    await create(target, web(name))
    response = await stub_of(target).BatchDeleteFederationRelationship(
        trustdomain_pb2.BatchDeleteFederationRelationshipRequest(
            trust_domains=[name, target.foreign_domain(), "no/domain"]
        ),
        timeout=DEADLINE_SECONDS,
    )
    codes = [result.status.code for result in response.results]
    assert codes == [OK, NOT_FOUND, INVALID_ARGUMENT]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(target, name)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def refused(target: Target, name: str) -> tuple[grpc.StatusCode, str]:
    """How the server refuses to refresh a bundle."""
    request = trustdomain_pb2.RefreshBundleRequest(trust_domain=name)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub_of(target).RefreshBundle(request, timeout=DEADLINE_SECONDS)
    return caught.value.code(), caught.value.details() or ""


async def test_refreshing_the_bundle_of_nobody_is_not_found(target: Target) -> None:
    name = target.foreign_domain()
    words = f'no relationship with trust domain "{name}"'
    assert await refused(target, name) == (grpc.StatusCode.NOT_FOUND, words)
    assert await refused(target, f"spiffe://{name}") == (grpc.StatusCode.NOT_FOUND, words)


async def test_refreshing_the_bundle_of_no_trust_domain_is_an_invalid_argument(
    target: Target,
) -> None:
    code, words = await refused(target, "no/domain")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words.startswith("failed to parse trust domain: ")


async def test_refreshing_from_an_endpoint_out_of_reach_says_why_and_keeps_the_bundle(
    target: Target,
) -> None:
    name, url = target.foreign_domain(), "https://127.0.0.1:1/bundle"
    given = web(name, url)
    given.trust_domain_bundle.CopyFrom(bundle_of(name))
    await create(target, given)
    assert await refused(target, name) == (
        grpc.StatusCode.INTERNAL,
        (
            "failed to refresh bundle: failed to fetch federated bundle from endpoint: failed to "
            f'fetch bundle: Get "{url}": dial tcp 127.0.0.1:1: connect: connection refused'
        ),
    )
    shown = (await get(target, name)).trust_domain_bundle
    assert shown.x509_authorities == given.trust_domain_bundle.x509_authorities


async def test_an_endpoint_that_shows_an_svid_is_not_asked_without_a_bundle(
    target: Target,
) -> None:
    name = target.foreign_domain()
    given = Relationship(
        trust_domain=name,
        bundle_endpoint_url="https://127.0.0.1:1/bundle",
        https_spiffe=types_pb2.HTTPSSPIFFEProfile(endpoint_spiffe_id=f"spiffe://{name}/endpoint"),
    )
    await create(target, given)
    assert await refused(target, name) == (
        grpc.StatusCode.INTERNAL,
        (
            "failed to refresh bundle: can't perform SPIFFE Authentication: local copy of bundle "
            "not found"
        ),
    )


async def test_a_bundle_in_use_is_deleted_only_if_asked_to(target: Target) -> None:
    name = target.foreign_domain()
    await target.set_bundle(bundle_of(name))
    entry = target.entry()
    entry.federates_with.append(name)
    (stored,) = await target.created(entry)
    stub = bundle_pb2_grpc.BundleStub(target.channel)
    request = bundle_pb2.BatchDeleteFederatedBundleRequest(trust_domains=[name])

    refused = await stub.BatchDeleteFederatedBundle(request, timeout=DEADLINE_SECONDS)
    assert refused.results[0].status.code != OK

    request.mode = bundle_pb2.BatchDeleteFederatedBundleRequest.DISSOCIATE
    done = await stub.BatchDeleteFederatedBundle(request, timeout=DEADLINE_SECONDS)
    assert done.results[0].status.code == OK
    assert not (await target.get(stored.id)).federates_with
