"""What a SPIRE server does about bundles: its own, and those of other trust domains."""

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.proto import bundle_pb2, bundle_pb2_grpc, types_pb2
from devcluster.spire.authority import Authority
from tests.conformance.spire.conftest import DEADLINE_SECONDS, Target

OK = 0
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION.value[0]
INTERNAL = grpc.StatusCode.INTERNAL.value[0]

Mode = bundle_pb2.BatchDeleteFederatedBundleRequest.Mode


def stub_of(target: Target) -> "bundle_pb2_grpc.BundleAsyncStub":
    return bundle_pb2_grpc.BundleStub(target.channel)


def bundle_of(name: str, *, refresh_hint: int = 0) -> types_pb2.Bundle:
    der = Authority(name).certificate_der
    return types_pb2.Bundle(
        trust_domain=name,
        x509_authorities=[types_pb2.X509Certificate(asn1=der)],
        refresh_hint=refresh_hint,
    )


async def get(target: Target, name: str) -> types_pb2.Bundle:
    request = bundle_pb2.GetFederatedBundleRequest(trust_domain=name)
    return await stub_of(target).GetFederatedBundle(request, timeout=DEADLINE_SECONDS)


async def held(target: Target, name: str) -> bool:
    try:
        await get(target, name)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return False
        raise
    return True


async def listed(target: Target, page_size: int = 0) -> list[types_pb2.Bundle]:
    """The bundles as a client sees them that needs nothing but the names."""
    found: list[types_pb2.Bundle] = []
    token = ""
    while True:
        request = bundle_pb2.ListFederatedBundlesRequest(
            output_mask=types_pb2.BundleMask(), page_size=page_size, page_token=token
        )
        response = await stub_of(target).ListFederatedBundles(request, timeout=DEADLINE_SECONDS)
        found += response.bundles
        token = response.next_page_token
        if not token:
            return found


async def delete(
    target: Target, *names: str, mode: "bundle_pb2.BatchDeleteFederatedBundleRequest.Mode.ValueType"
) -> list[int]:
    request = bundle_pb2.BatchDeleteFederatedBundleRequest(trust_domains=names, mode=mode)
    response = await stub_of(target).BatchDeleteFederatedBundle(request, timeout=DEADLINE_SECONDS)
    return [result.status.code for result in response.results]


async def federated_entry(target: Target, *names: str) -> types_pb2.Entry:
    entry = target.entry()
    entry.federates_with.extend(names)
    (made,) = await target.created(entry)
    return made


async def test_a_bundle_is_stored_and_replaced(target: Target) -> None:
    name = target.foreign_domain()
    first, second = bundle_of(name, refresh_hint=60), bundle_of(name, refresh_hint=120)
    for given in (first, second):
        assert (await target.set_bundle(given)).code == OK
        stored = await get(target, name)
        assert [a.asn1 for a in stored.x509_authorities] == [given.x509_authorities[0].asn1]
        assert stored.refresh_hint == given.refresh_hint


async def test_public_keys_are_stored_with_their_ids(target: Target) -> None:
    name = target.foreign_domain()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    given = bundle_of(name)
    given.jwt_authorities.add(key_id="k", public_key=der)
    assert (await target.set_bundle(given)).code == OK
    stored = await get(target, name)
    assert [(key.key_id, key.public_key) for key in stored.jwt_authorities] == [("k", der)]


async def test_each_bundle_has_a_result_of_its_own(target: Target) -> None:
    good, broken, nameless = (bundle_of(target.foreign_domain()) for _ in range(3))
    broken.x509_authorities[0].asn1 = b"no certificate"
    nameless.jwt_authorities.add(public_key=b"no key")
    own = bundle_of(target.trust_domain)
    none = bundle_of("no/domain")
    request = bundle_pb2.BatchSetFederatedBundleRequest(bundle=[broken, nameless, own, none, good])
    response = await stub_of(target).BatchSetFederatedBundle(request, timeout=DEADLINE_SECONDS)
    codes = [result.status.code for result in response.results]
    assert codes == [INVALID_ARGUMENT] * 4 + [OK]


async def test_with_an_empty_mask_bundles_are_listed_by_name_only(target: Target) -> None:
    names = {target.foreign_domain() for _ in range(3)}
    for name in names:
        await target.set_bundle(bundle_of(name, refresh_hint=60))
    mine = [b for b in await listed(target) if b.trust_domain in names]
    assert {bundle.trust_domain for bundle in mine} == names
    assert all(bundle == types_pb2.Bundle(trust_domain=bundle.trust_domain) for bundle in mine)


async def test_every_page_together_is_all_of_them_without_the_servers_own(target: Target) -> None:
    names = {target.foreign_domain() for _ in range(5)}
    for name in names:
        await target.set_bundle(bundle_of(name))
    paged = [bundle.trust_domain for bundle in await listed(target, page_size=2)]
    assert len(paged) == len(set(paged))
    assert names <= set(paged)
    assert target.trust_domain not in paged


async def test_an_entry_may_federate_once_the_bundle_is_there(target: Target) -> None:
    name = target.foreign_domain()
    entry = target.entry()
    entry.federates_with.append(name)
    (refused,) = await target.create(entry)
    assert refused.status.code == INTERNAL
    # Nothing but the message tells this from every other failure.
    assert f'unable to find federated bundle "spiffe://{name}"' in refused.status.message
    await target.set_bundle(bundle_of(name))
    await target.created(entry)


async def test_an_entry_is_updated_to_federate_once_the_bundle_is_there(target: Target) -> None:
    name = target.foreign_domain()
    (made,) = await target.created(target.entry())
    made.federates_with.append(name)
    mask = types_pb2.EntryMask(federates_with=True)
    refused = await target.update(made, mask)
    assert refused.status.code == INTERNAL
    assert f'unable to find federated bundle "spiffe://{name}"' in refused.status.message
    assert list((await target.get(made.id)).federates_with) == []
    await target.set_bundle(bundle_of(name))
    assert (await target.update(made, mask)).status.code == OK
    assert list((await target.get(made.id)).federates_with) == [name]


async def test_a_bundle_in_use_is_not_deleted_unless_asked_to(target: Target) -> None:
    name = target.foreign_domain()
    await target.set_bundle(bundle_of(name))
    made = await federated_entry(target, name)
    assert await delete(target, name, mode=Mode.RESTRICT) == [FAILED_PRECONDITION]
    assert await held(target, name)
    assert list((await target.get(made.id)).federates_with) == [name]


async def test_an_entry_is_dissociated_from_a_bundle_that_goes(target: Target) -> None:
    name, other = target.foreign_domain(), target.foreign_domain()
    await target.set_bundle(bundle_of(name))
    await target.set_bundle(bundle_of(other))
    made = await federated_entry(target, name, other)
    assert await delete(target, name, mode=Mode.DISSOCIATE) == [OK]
    assert not await held(target, name)
    left = await target.get(made.id)
    assert list(left.federates_with) == [other]
    # Who looks at revisions alone does not see it.
    assert left.revision_number == made.revision_number


async def test_an_entry_goes_with_its_bundle_if_that_is_asked_for(target: Target) -> None:
    name = target.foreign_domain()
    await target.set_bundle(bundle_of(name))
    await federated_entry(target, name)
    (other,) = await target.created(target.entry("/other"))
    assert await delete(target, name, mode=Mode.DELETE) == [OK]
    assert not await held(target, name)
    assert [entry.id for entry in await target.find()] == [other.id]


async def test_each_deletion_of_a_bundle_has_a_result_of_its_own(target: Target) -> None:
    name = target.foreign_domain()
    await target.set_bundle(bundle_of(name))
    names = [target.foreign_domain(), "no/domain", target.trust_domain, name]
    codes = await delete(target, *names, mode=Mode.RESTRICT)
    assert codes == [NOT_FOUND, INVALID_ARGUMENT, INVALID_ARGUMENT, OK]


async def test_the_servers_own_bundle_is_not_a_federated_one(target: Target) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get(target, target.trust_domain)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    own = await stub_of(target).GetBundle(bundle_pb2.GetBundleRequest(), timeout=DEADLINE_SECONDS)
    assert own.trust_domain == target.trust_domain
    assert own.x509_authorities
