"""What the agent says goes into the files at once."""

import asyncio
import base64
import json
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    pkcs12,
)

from api.proto import types_pb2
from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from tests.support.csi import IMPATIENT_SECONDS, Driver, Node, Pod, written
from tests.support.setup import eventually, until


def federate(node: Node, name: str) -> bytes:
    """Let the server know another trust domain's bundle; gives its authority, PEM."""
    authority = Authority(name)
    certificate = types_pb2.X509Certificate(asn1=authority.certificate_der)
    node.spire.state.bundles[name] = types_pb2.Bundle(
        trust_domain=name, x509_authorities=[certificate]
    )
    node.agent.changed()
    return authority.certificate_pem


async def test_a_rotation_changes_certificate_and_key_together(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        seen = set()
        for _ in range(5):
            before = (path / "svid.pem").read_bytes()
            node.agent.rotate()
            await until(lambda before=before: (path / "svid.pem").read_bytes() != before)  # type: ignore[misc]
            data = path / "..data"
            leaf = x509.load_pem_x509_certificate((data / "svid.pem").read_bytes())
            key = load_pem_private_key((data / "svid_key.pem").read_bytes(), password=None)
            assert key.public_key() == leaf.public_key()
            seen.add(leaf.serial_number)
        assert len(seen) == 5
        await until(lambda: len(node.heard.rotations) == 6)


async def test_old_and_new_roots_stand_together_while_both_count(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    old = node.spire.authority.certificate_pem
    async with node.driver() as driver:
        path = await driver.publish(pod)
        new = node.agent.add_authority().certificate_pem
        await until(lambda: (path / "bundle.pem").read_bytes() == old + new)
        node.agent.rotate()
        await until(lambda: _issuer(path / "svid.pem") == _subject(new))
        node.agent.drop_authorities()
        await until(lambda: (path / "bundle.pem").read_bytes() == new)


async def test_each_federated_trust_domain_has_a_bundle_of_its_own(node: Node) -> None:
    pod = node.pod()
    first = federate(node, "one.test")
    federate(node, "unasked.test")
    entry = node.entry(pod, federates_with=["one.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert [found.name for found in (path / "federated").iterdir()] == ["one.test.pem"]
        assert (path / "federated/one.test.pem").read_bytes() == first
        assert (path / "bundle.pem").read_bytes() == node.spire.authority.certificate_pem
        second = federate(node, "one.test")
        await until(lambda: (path / "federated/one.test.pem").read_bytes() == second)
        changed = types_pb2.Entry()
        changed.CopyFrom(entry)
        del changed.federates_with[:]
        node.spire.state.put(changed)
        await until(lambda: not (path / "federated").exists())


async def test_the_drafts_layout_has_the_key_first_and_a_bundle_for_each_domain(
    node: Node,
) -> None:
    pod, old = node.pod(), node.pod(name="web-2")
    other = federate(node, "other.test")
    for each in (pod, old):
        node.entry(each, federates_with=["other.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod, layout="spiffe-files")
        blocks = (path / "credential-bundle.private-key.pem").read_bytes().split(b"-----BEGIN ")
        assert [block.partition(b"-----")[0] for block in blocks[1:]] == [
            b"PRIVATE KEY",
            b"CERTIFICATE",
        ]
        assert (path / "other.test.spiffe-trust-bundle.pem").read_bytes() == other
        assert (path / "example.org.spiffe-trust-bundle.pem").exists()
        path = await driver.publish(old, layout="spiffe-files", profile="2026-02")
        assert (path / "credential-bundle.pem").exists()
        assert (path / "example.org.trust-bundle.pem").exists()


async def test_one_of_several_svids_is_chosen_by_hint_or_id(node: Node) -> None:
    pods = [node.pod(name=f"web-{number}") for number in range(4)]
    for pod in pods:
        node.entry(pod, "/first", hint="internal")
        node.entry(pod, "/second", hint="external")
    async with node.driver() as driver:
        await _has(driver, pods[0], "/first")
        await _has(driver, pods[1], "/second", hint="external")
        await _has(driver, pods[2], "/second", spiffeID="spiffe://example.org/second")
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        shown = "spiffe://example.org/first (hint 'internal')"
        await driver.refused_saying(pods[3].request(hint="none"), shown)


async def _has(driver: Driver, pod: Pod, id_path: str, **attributes: str) -> None:
    path = await driver.publish(pod, **attributes)
    assert _spiffe_id(path) == f"spiffe://example.org{id_path}"


async def test_tokens_are_there_and_are_renewed_at_half_of_their_life(node: Node) -> None:
    pod = node.pod()
    node.agent.jwt_ttl_seconds = 2
    node.agent.federated_jwt["other.test"] = JWTAuthority("theirs")
    federate(node, "other.test")
    node.entry(pod, federates_with=["other.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtAudiences="db, cache", jwtBundles="true")
        first = (path / "jwt_svid.token").read_text()
        assert first.count(".") == 2
        keys = json.loads((path / "jwt_bundle.json").read_bytes())["keys"]
        assert [key["kid"] for key in keys] == ["jwt-1"]
        theirs = json.loads((path / "federated/other.test.json").read_bytes())["keys"]
        assert [key["kid"] for key in theirs] == ["theirs"]
        await until(lambda: (path / "jwt_svid.token").read_text() != first)


async def test_certificates_go_on_while_tokens_cannot_be_had(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    asked = {"jwtAudiences": "db", "jwtBundles": "true"}
    async with node.driver() as driver:
        path = await driver.publish(pod, **asked)
        token = (path / "jwt_svid.token").read_bytes()
    node.agent.jwt_fails = True
    async with node.driver() as driver:
        await driver.publish(pod, **asked)
        before = (path / "svid.pem").read_bytes()
        node.agent.rotate()
        await until(lambda: (path / "svid.pem").read_bytes() != before)
        assert (path / "jwt_svid.token").read_bytes() == token
        assert (path / "jwt_bundle.json").exists()

        async def is_said() -> bool:
            abnormal, why = await driver.condition(pod)
            return abnormal and "the JWT-SVID is not renewed" in why and "out of order" in why

        await eventually(is_said)
        node.agent.jwt_fails = False
        await until(lambda: (path / "jwt_svid.token").read_bytes() != token)


async def test_an_agent_that_falls_silent_is_asked_anew(node: Node) -> None:
    pod = node.pod()
    node.entry(pod, x509_svid_ttl=4)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        node.agent.is_silent = True
        before, streams = (path / "svid.pem").read_bytes(), node.agent.subscriptions
        # One that was sent before may be written only now: it alone is not what is waited for.
        await until(lambda: node.agent.subscriptions > streams)
        await until(lambda: (path / "svid.pem").read_bytes() != before)


async def test_rotations_in_quick_succession_do_not_fill_the_volume(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        most = 0
        for _ in range(60):
            before = (path / "svid.pem").read_bytes()
            node.agent.rotate()
            await until(lambda before=before: (path / "svid.pem").read_bytes() != before)  # type: ignore[misc]
            await asyncio.sleep(0.03)
            most = max(most, len(list(path.glob("..v*"))))
        assert most < 50
        await until(lambda: len(list(path.glob("..v*"))) == 1)


async def test_a_federated_domain_whose_name_is_too_long_costs_nothing_else(node: Node) -> None:
    pod = node.pod()
    name = ".".join(["a" * 63] * 4)
    federate(node, name)
    federate(node, "other.test")
    node.entry(pod, federates_with=[name, "other.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert [f.name for f in (path / "federated").iterdir()] == ["other.test.pem"]


async def test_an_svid_that_has_expired_already_is_none(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    node.agent.ttl_seconds = -10.0
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        await driver.refused_saying(pod.request(), "has expired already")


async def test_a_token_follows_the_svid_to_another_id(node: Node) -> None:
    pod = node.pod()
    entry = node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtAudiences="db")
        assert _subject_of(path) == "spiffe://example.org/web"
        node.spire.state.delete(entry.id)
        node.entry(pod, "/other")
        # In between there is none: the old one is another's.
        await until(lambda: _is_other(path))
        assert _spiffe_id(path) == "spiffe://example.org/other"


def _is_other(path: Path) -> bool:
    return _subject_of(path) == "spiffe://example.org/other"


def _subject_of(path: Path) -> str:
    claims = (path / "jwt_svid.token").read_text().split(".")[1]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return found["sub"]


def _spiffe_id(path: Path) -> str:
    leaf = x509.load_pem_x509_certificate((path / "svid.pem").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uri


async def test_every_svid_has_a_folder_with_its_own_token_and_store(node: Node) -> None:
    pod = node.pod()
    node.entry(pod, "/one")
    node.entry(pod, "/two")
    asked = {"svids": "all", "jwtAudiences": "db", "pkcs12File": "svid.p12"}
    async with node.driver() as driver:
        path = await driver.publish(pod, **asked)
        ids = {_spiffe_id(path / number) for number in "01"}
        assert ids == {"spiffe://example.org/one", "spiffe://example.org/two"}
        for number in "01":
            assert _subject_of(path / number) == _spiffe_id(path / number)
            assert (path / number / "svid.p12").exists()


async def test_a_pkcs12_file_has_key_chain_and_authorities(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod, pkcs12File="store/svid.p12", pkcs12Password="secret")
        store = pkcs12.load_pkcs12((path / "store/svid.p12").read_bytes(), b"secret")
        assert store.cert is not None
        assert store.key is not None
        assert store.key.public_key() == store.cert.certificate.public_key()
        assert len(store.additional_certs) == 1
    # What is there after a restart stays, though it would be encrypted otherwise each time.
    before = written(path / "store/svid.p12")
    async with node.driver() as driver:
        await until(lambda: node.agent.streams == 2)
        await driver.publish(pod, pkcs12File="store/svid.p12", pkcs12Password="secret")
        node.agent.changed()
        assert written(path / "store/svid.p12") == before


async def test_an_svid_that_is_taken_away_stays_until_it_expires_and_is_abnormal(
    node: Node,
) -> None:
    pod = node.pod()
    entry = node.entry(pod, x509_svid_ttl=8)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert await driver.condition(pod) == (False, "the files are up to date")
        node.spire.state.delete(entry.id)

        async def is_said(words: str) -> bool:
            abnormal, why = await driver.condition(pod)
            return abnormal and words in why

        await eventually(lambda: is_said("has no SVID for it any more"))
        assert (path / "svid.pem").exists()
        await eventually(lambda: is_said("the SVID has expired"))
        assert driver.volumes.nearest_expiry() <= 0
        assert driver.volumes.states() == {"waiting": 0, "serving": 0, "abnormal": 1}
        node.entry(pod)
        await until(lambda: driver.volumes.states()["serving"] == 1)


async def test_an_agent_that_is_away_too_long_makes_volumes_abnormal(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver(agent_away=0.1) as driver:
        path = await driver.publish(pod)
        await node.agent.stop()

        async def is_abnormal() -> bool:
            abnormal, why = await driver.condition(pod)
            return abnormal and "cannot be reached" in why

        await eventually(is_abnormal)
        before = (path / "svid.pem").read_bytes()
        await node.agent.start()
        # An agent that starts anew has new SVIDs; the stream is found again.
        await until(lambda: (path / "svid.pem").read_bytes() != before)

        async def is_well() -> bool:
            return await driver.condition(pod) == (False, "the files are up to date")

        await eventually(is_well)


async def test_nothing_is_ever_written_where_the_mount_has_gone(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        await node.unmount(path)
        node.agent.rotate()

        async def is_said() -> bool:
            return "nothing of ours is mounted" in (await driver.condition(pod))[1]

        await eventually(is_said)
        assert list(path.iterdir()) == []
        await driver.publish(pod)
        assert (path / "svid.pem").exists()


@pytest.mark.parametrize("is_over", [True, False])
async def test_nothing_is_ever_written_into_a_mount_that_is_another(
    node: Node, *, is_over: bool
) -> None:
    """Linux gives the number of a file system that has gone to the next one."""
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        before = (path / "svid.pem").read_bytes()
        node.agent.rotate()
        await until(lambda: (path / "svid.pem").read_bytes() != before)
        if not is_over:
            await node.unmount(path)
        await node.mount_over(path)
        node.agent.rotate()

        async def is_said() -> bool:
            return "nothing of ours is mounted" in (await driver.condition(pod))[1]

        await eventually(is_said)
        assert list(path.iterdir()) == []


@pytest.mark.slow
async def test_short_lives_are_renewed_for_as_long_as_the_pod_lives(node: Node) -> None:
    pod = node.pod()
    node.entry(pod, x509_svid_ttl=4)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        serials: set[int] = set()
        while len(serials) < 4:
            leaf = x509.load_pem_x509_certificate((path / "svid.pem").read_bytes())
            serials.add(leaf.serial_number)
            assert leaf.not_valid_after_utc.timestamp() > time.time() - 1
            await _one_more(node)


async def _one_more(node: Node) -> None:
    before = len(node.heard.rotations)
    await until(lambda: len(node.heard.rotations) > before)


def _issuer(path: Path) -> x509.Name:
    return x509.load_pem_x509_certificate(path.read_bytes()).issuer


def _subject(pem: bytes) -> x509.Name:
    return x509.load_pem_x509_certificate(pem).subject


def _put(node: Node, name: str, *certificates: bytes) -> None:
    node.spire.state.bundles[name] = types_pb2.Bundle(
        trust_domain=name,
        x509_authorities=[types_pb2.X509Certificate(asn1=each) for each in certificates],
    )
    node.agent.changed()


@pytest.mark.parametrize("garbage", [b"garbage", b"\x30\x82\xff", b"\x30\x03\x02\x01\x05"])
async def test_a_bundle_that_cannot_be_read_costs_nothing_but_itself(
    node: Node, garbage: bytes
) -> None:
    pod = node.pod()
    good = federate(node, "good.test")
    _put(node, "bad.test", garbage)
    node.entry(pod, federates_with=["good.test", "bad.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert (path / "federated/good.test.pem").read_bytes() == good
        assert not (path / "federated/bad.test.pem").exists()
        abnormal, why = await driver.condition(pod)
        assert abnormal
        assert "the bundle of bad.test from the agent cannot be read" in why
        assert node.heard.events[-1][:2] == ("web-1", "BundleLeftOut")
        assert driver.volumes.broken_bundles() == 1
        right = federate(node, "bad.test")
        await until((path / "federated/bad.test.pem").exists)
        assert (path / "federated/bad.test.pem").read_bytes() == right
        assert await driver.condition(pod) == (False, "the files are up to date")
        # What breaks later stays as it was.
        _put(node, "bad.test", garbage)
        newer = federate(node, "good.test")
        await until(lambda: (path / "federated/good.test.pem").read_bytes() == newer)
        assert (path / "federated/bad.test.pem").read_bytes() == right


async def test_one_certificate_that_cannot_be_read_leaves_the_others_of_its_bundle(
    node: Node,
) -> None:
    pod, other = node.pod(), Authority("mixed.test")
    _put(node, "mixed.test", b"\x30\x03\x02\x01\x05", other.certificate_der)
    node.entry(pod, federates_with=["mixed.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert (path / "federated/mixed.test.pem").read_bytes() == other.certificate_pem


async def test_a_foreign_set_of_keys_that_cannot_be_read_costs_nothing_else(node: Node) -> None:
    class Broken(JWTAuthority):
        def jwks(self) -> bytes:
            return b"[" * 100_000

    pod = node.pod()
    node.agent.federated_jwt |= {"bad.test": Broken("x"), "good.test": JWTAuthority("y")}
    federate(node, "bad.test")
    federate(node, "good.test")
    node.entry(pod, federates_with=["good.test", "bad.test"])
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtBundles="true")
        assert (path / "federated/good.test.json").exists()
        assert not (path / "federated/bad.test.json").exists()
        assert "bad.test" in (await driver.condition(pod))[1]


async def test_one_broken_svid_of_several_costs_only_itself(node: Node) -> None:
    pod = node.pod()
    broken = node.entry(pod, "/broken")
    node.entry(pod, "/good")
    node.agent.mix_up(broken.id)
    async with node.driver() as driver:
        path = await driver.publish(pod, svids="all")
        assert _spiffe_id(path / "0") == "spiffe://example.org/good"
        assert not (path / "1").exists()
        abnormal, why = await driver.condition(pod)
        assert abnormal
        assert "spiffe://example.org/broken" in why
        node.agent.rotate(broken.id)
        await until((path / "1").exists)
        assert _spiffe_id(path / "0") == "spiffe://example.org/broken"
