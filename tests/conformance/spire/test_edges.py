"""What a server does that nobody would expect, beyond order and names."""

import time

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from api.proto import (
    bundle_pb2,
    bundle_pb2_grpc,
    entry_pb2,
    entry_pb2_grpc,
    trustdomain_pb2,
    trustdomain_pb2_grpc,
    types_pb2,
)
from devcluster.spire.authority import Authority
from registrar.identity.endpointurl import as_server_writes
from tests.conformance.spire.conftest import DEADLINE_SECONDS, Target

OK = 0
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]


def bundle_of(trust_domain: str, *ders: bytes) -> types_pb2.Bundle:
    certificates = ders or (Authority(trust_domain).certificate_der,)
    return types_pb2.Bundle(
        trust_domain=trust_domain,
        x509_authorities=[types_pb2.X509Certificate(asn1=der) for der in certificates],
    )


def relationship(
    trust_domain: str, url: str = "https://127.0.0.1:1/bundle"
) -> types_pb2.FederationRelationship:
    made = types_pb2.FederationRelationship(trust_domain=trust_domain, bundle_endpoint_url=url)
    made.https_web.SetInParent()
    return made


async def federate(
    target: Target, *relationships: types_pb2.FederationRelationship
) -> list[trustdomain_pb2.BatchCreateFederationRelationshipResponse.Result]:
    stub = trustdomain_pb2_grpc.TrustDomainStub(target.channel)
    request = trustdomain_pb2.BatchCreateFederationRelationshipRequest(
        federation_relationships=relationships
    )
    response = await stub.BatchCreateFederationRelationship(request, timeout=DEADLINE_SECONDS)
    return list(response.results)


async def test_whom_an_entry_federates_with_is_sorted_and_named_once(target: Target) -> None:
    names = [f"{letter}.{target.foreign_domain()}" for letter in "zam"]
    for name in names:
        await target.set_bundle(bundle_of(name))
    entry = target.entry()
    entry.federates_with.extend([*names, names[0]])
    (created,) = await target.created(entry)
    assert list(created.federates_with) == sorted(names)
    assert list((await target.get(created.id)).federates_with) == sorted(names)


async def test_an_entry_whose_time_is_over_stays_for_a_while(target: Target) -> None:
    entry = target.entry()
    entry.expires_at = int(time.time()) - 3600
    (created,) = await target.created(entry)
    assert (await target.get(created.id)).expires_at == entry.expires_at
    assert [found.id for found in await target.find()] == [created.id]


async def test_a_parent_has_a_path(target: Target) -> None:
    entry = target.entry()
    entry.parent_id.path = ""
    (refused,) = await target.create(entry)
    assert refused.status.code == INVALID_ARGUMENT
    assert "path is empty" in refused.status.message
    request = entry_pb2.ListEntriesRequest()
    request.filter.by_parent_id.trust_domain = target.trust_domain
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await entry_pb2_grpc.EntryStub(target.channel).ListEntries(
            request, timeout=DEADLINE_SECONDS
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_trust_domain_may_be_written_as_an_id(target: Target) -> None:
    entry = target.entry()
    entry.spiffe_id.trust_domain = f"spiffe://{target.trust_domain}"
    (created,) = await target.created(entry)
    assert created.spiffe_id.trust_domain == target.trust_domain


async def test_entries_without_a_hint_can_not_be_asked_for(target: Target) -> None:
    hinted = target.entry("/hinted")
    hinted.hint = "h"
    both = {entry.id for entry in await target.created(hinted, target.entry("/plain"))}
    assert {entry.id for entry in await target.find(by_hint=StringValue())} == both


async def test_one_authority_may_hold_several_certificates(target: Target) -> None:
    name = target.foreign_domain()
    two = b"".join(Authority(name).certificate_der for _ in range(2))
    assert (await target.set_bundle(bundle_of(name, two))).code == OK
    request = bundle_pb2.GetFederatedBundleRequest(trust_domain=name)
    stub = bundle_pb2_grpc.BundleStub(target.channel)
    found = await stub.GetFederatedBundle(request, timeout=DEADLINE_SECONDS)
    assert [authority.asn1 for authority in found.x509_authorities] == [two]
    broken = await target.set_bundle(bundle_of(name, two[:-1]))
    assert broken.code == INVALID_ARGUMENT


REFUSED_URLS = [
    *("http://a/", "a", "https:a", "https:/a", "https://", "https:///a", " https://a/"),
    *("https://u@a/", "https://@a/"),
    *("https://a b/", "https://%41/", "https://a%20b/", "https://[fe80::1%eth0]/"),
    *("https://a/%zz", "https://a/%", "https://a/\t", "https://a:80b/"),
]
WRITTEN_URLS = {
    "HTTPS://Example.Test:8443/B": "https://Example.Test:8443/B",
    "https://a/b c": "https://a/b%20c",
    "https://a/b%2Fc": "https://a/b%2Fc",
    "https://a/b%2Fc d": "https://a/b/c%20d",
    "https://a/ü": "https://a/%C3%BC",
    "https://a/%c3%bc": "https://a/%c3%bc",
    "https://ü.example/": "https://%C3%BC.example/",
    "https://a/<b>{c}|d": "https://a/%3Cb%3E%7Bc%7D%7Cd",
    "https://a/[b]'c'": "https://a/[b]'c'",
    "https://a?b=c d&ü": "https://a?b=c d&ü",
    "https://a/?": "https://a/?",
    "https://a/#": "https://a/",
    "https://a/#b c": "https://a/#b%20c",
    "https://a/ ": "https://a/%20",
    "https://a:": "https://a:",
    "https://a:0443/": "https://a:0443/",
    "https://[::1]:8443/b": "https://[::1]:8443/b",
}


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_an_endpoint_that_is_no_url_is_refused(target: Target, url: str) -> None:
    (refused,) = await federate(target, relationship(target.foreign_domain(), url))
    assert refused.status.code == INVALID_ARGUMENT
    assert "bundle endpoint URL" in refused.status.message


async def test_an_endpoint_comes_back_as_the_server_writes_it(target: Target) -> None:
    made = await federate(
        target, *(relationship(target.foreign_domain(), url) for url in WRITTEN_URLS)
    )
    written = [result.federation_relationship.bundle_endpoint_url for result in made]
    assert dict(zip(WRITTEN_URLS, written, strict=True)) == WRITTEN_URLS


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_the_registrar_refuses_the_same_endpoints(url: str) -> None:
    with pytest.raises(ValueError, match="write https://"):
        as_server_writes(url)


def test_the_registrar_writes_endpoints_in_the_same_way() -> None:
    assert {url: as_server_writes(url) for url in WRITTEN_URLS} == WRITTEN_URLS


async def test_an_update_must_say_all_of_a_relationship_whatever_its_mask(target: Target) -> None:
    name = target.foreign_domain()
    await federate(target, relationship(name))
    request = trustdomain_pb2.BatchUpdateFederationRelationshipRequest(
        federation_relationships=[
            types_pb2.FederationRelationship(
                trust_domain=name, bundle_endpoint_url="https://127.0.0.1:1/other"
            )
        ],
        input_mask=types_pb2.FederationRelationshipMask(bundle_endpoint_url=True),
    )
    stub = trustdomain_pb2_grpc.TrustDomainStub(target.channel)
    response = await stub.BatchUpdateFederationRelationship(request, timeout=DEADLINE_SECONDS)
    assert response.results[0].status.code == INVALID_ARGUMENT
    assert "profile" in response.results[0].status.message


async def test_bundles_and_relationships_are_listed_in_the_order_of_their_creation(
    target: Target,
) -> None:
    names = [f"{letter}.{target.foreign_domain()}" for letter in "zam"]
    for name in names:
        await target.set_bundle(bundle_of(name))
    await federate(target, *(relationship(name) for name in names))
    bundles = await bundle_pb2_grpc.BundleStub(target.channel).ListFederatedBundles(
        bundle_pb2.ListFederatedBundlesRequest(), timeout=DEADLINE_SECONDS
    )
    assert [b.trust_domain for b in bundles.bundles if b.trust_domain in names] == names
    stub = trustdomain_pb2_grpc.TrustDomainStub(target.channel)
    listed = await stub.ListFederationRelationships(
        trustdomain_pb2.ListFederationRelationshipsRequest(), timeout=DEADLINE_SECONDS
    )
    found = [r.trust_domain for r in listed.federation_relationships]
    assert [name for name in found if name in names] == names
