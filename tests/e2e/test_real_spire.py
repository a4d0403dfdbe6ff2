"""The registrar and the node driver with a real SPIRE server, agent and API server.

The main story of each mode is told on them too, in tests/controllers (the mark `story`); here is
what needs a server of its own, a second one, or an agent.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.proto import types_pb2
from hack.control_plane import ControlPlane
from hack.spire import RealAgent, RealServer, ServerOptions
from registrar.csi.volumes import Limits
from registrar.identity.bundle import Bundle, parse_bundle
from registrar.settings.model import TCPAddress
from tests.support.bundledocument import dump_bundle
from tests.support.controllermanager import Manager
from tests.support.csi import Heard, Pod, run_driver
from tests.support.federation import Federating, seed
from tests.support.federationstory import Story
from tests.support.setup import Setup, eventually, real_setup, until
from tests.support.spire import SharedSpire

pytestmark = [
    pytest.mark.real("control plane", "spire"),
    pytest.mark.slow,
]

US = f"unix:uid:{os.getuid()}"
SECONDS = 60.0
"""For what waits for an agent, on a busy machine."""


@pytest.fixture
async def setup(
    tmp_path: Path, real_control_plane: ControlPlane, real_spire_server: RealServer
) -> AsyncIterator[Setup]:
    async with real_setup(tmp_path, real_control_plane, real_spire_server) as made:
        yield made


@pytest.fixture
def own_server() -> Iterator[RealServer]:
    """A server that a test may do anything to."""
    with RealServer() as server:
        yield server


@pytest.fixture
async def own_setup(
    tmp_path: Path, real_control_plane: ControlPlane, own_server: RealServer
) -> AsyncIterator[Setup]:
    async with real_setup(tmp_path, real_control_plane, own_server) as made:
        yield made


async def test_the_registrar_is_an_administrator_over_mtls_while_its_svid_rotates(
    setup: Setup, real_spire_server: RealServer
) -> None:
    server = real_spire_server
    with RealAgent(server) as agent:
        who = f"spiffe://{server.trust_domain}/registrar"
        own = ("-spiffeID", who, "-parentID", agent.id, "-selector", US, "-admin")
        await asyncio.to_thread(server.ask, "entry", "create", *own, "-x509SVIDTTL", "8")
        await asyncio.to_thread(agent.wait_for_identity, who)
        address = TCPAddress("127.0.0.1", server.port, agent.workload_api)
        async with setup.registrar(spire=address):
            await setup.apply("before")
            await setup.until_ready("before")
            first = await _certificate(agent)

            async def is_renewed() -> bool:
                return await _certificate(agent) != first

            await eventually(is_renewed, SECONDS)
            await setup.apply("after", dnsNames=["b.test", "a.test"])
            await setup.until_ready("after")
            (entry,) = setup.entries("/after")
            assert [*entry.dns_names] == ["b.test", "a.test"]


async def _certificate(agent: RealAgent) -> str:
    where = ("-socketPath", str(agent.workload_api))
    return await asyncio.to_thread(agent.run, "api", "fetch", "x509", *where, "-output", "json")


@pytest.mark.parametrize("end", ["stop", "kill", "hang"])
async def test_a_server_that_was_away_gets_what_was_asked_meanwhile(
    own_setup: Setup, own_server: RealServer, end: str
) -> None:
    async with own_setup.registrar():
        await own_setup.apply("before")
        await own_setup.until_ready("before")
        await asyncio.to_thread(getattr(own_server, end))
        await own_setup.apply("meanwhile")
        back = own_server.resume if end == "hang" else own_server.start
        await asyncio.to_thread(back)
        await own_setup.until_ready("meanwhile")
        assert sorted(e.spiffe_id.path for e in own_setup.entries()) == ["/before", "/meanwhile"]


async def test_what_somebody_does_to_an_entry_is_put_right(setup: Setup) -> None:
    spire = setup.spire_server
    assert isinstance(spire, SharedSpire)
    async with setup.registrar():
        await setup.apply("web", ttl=60, dnsNames=["b.test", "a.test"])
        entry_id = (await setup.until_ready("web")).status.entry_id
        spire.delete(entry_id)
        await until(lambda: [e.id for e in setup.entries("/web")] == [entry_id])
        (entry,) = setup.entries("/web")
        assert (entry.x509_svid_ttl, [*entry.dns_names]) == (60, ["b.test", "a.test"])


async def test_two_trust_domains_federate_as_an_object_says(setup: Setup) -> None:
    spire = setup.spire_server
    assert isinstance(spire, SharedSpire)
    manager = Manager(setup)
    await manager.node()
    with RealServer(ServerOptions(trust_domain="other.test", federation=True)) as other:
        bundle = await asyncio.to_thread(other.ask, "bundle", "show", "-format", "spiffe")
        async with manager.running():
            await manager.template("all", federatesWith=["other.test"])
            await manager.pod("a")
            await manager.trust_domain(
                "other",
                trustDomain="other.test",
                bundleEndpointURL=other.bundle_url,
                bundleEndpointProfile={
                    "type": "https_spiffe",
                    "endpointSPIFFEID": "spiffe://other.test/spire/server",
                },
                trustDomainBundle=bundle,
            )
            await until(
                lambda: [[*e.federates_with] for e in setup.entries()] == [["other.test"]], SECONDS
            )
            assert list(spire.relationships()) == ["other.test"]
            await manager.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, "other")
            await until(lambda: not spire.relationships())


async def test_what_the_server_fetched_is_not_replaced_by_an_edit_of_the_endpoint(
    setup: Setup,
) -> None:
    manager, held = Manager(setup), Federating(setup)
    with RealServer(ServerOptions(trust_domain="other.test", federation=True)) as other:
        text = await asyncio.to_thread(other.ask, "bundle", "show", "-format", "spiffe")
        bundle = parse_bundle(text, trust_domain="other.test", path="bundle")
        (stale,) = seed("stale").jwt_authorities
        old = replace(bundle, jwt_authorities=(*bundle.jwt_authorities, stale))

        async def apply(url: str, given: Bundle) -> None:
            await manager.trust_domain(
                "other",
                trustDomain="other.test",
                bundleEndpointURL=url,
                bundleEndpointProfile={
                    "type": "https_spiffe",
                    "endpointSPIFFEID": "spiffe://other.test/spire/server",
                },
                trustDomainBundle=dump_bundle(given),
            )

        def is_fetched() -> bool:
            keys = held.keys("other.test")
            return bool(keys) and "stale" not in keys

        async with manager.running():
            await apply(other.bundle_url, old)
            await until(is_fetched, SECONDS)
            another = other.bundle_url.replace("127.0.0.1", "localhost")
            await apply(another, old)
            await until(lambda: held.urls() == {"other.test": another})
            assert is_fetched()
        # What is edited while nothing runs is given once, and fetched anew.
        (newer,) = seed("newer").jwt_authorities
        await apply(f"{another}/nothing-here", replace(old, jwt_authorities=(newer,)))
        async with manager.running():
            await until(lambda: held.keys("other.test") == ["newer"])
            await manager.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, "other")
            await until(lambda: not held.urls())


async def test_a_partner_is_found_by_what_it_publishes_and_again_after_it_was_built_anew(
    setup: Setup,
) -> None:
    story, held = Story(setup), Federating(setup)

    async def published(server: RealServer, form: str) -> None:
        await story.publish(await asyncio.to_thread(server.ask, "bundle", "show", "-format", form))

    options = ServerOptions(trust_domain="partner.test", federation=True, keys_on_disk=False)
    with RealServer(options) as other:
        async with story.running(bundle_refresh_interval_seconds=1.0):
            await published(other, "pem")
            await story.from_configmap(bundleEndpointURL=other.bundle_url)
            await story.until_condition_is("BundleFresh", "Fetched")
            before = held.keys()
            assert before
            # Without its data and its keys it is another server at the same address.
            await asyncio.to_thread(other.stop)
            other.database_file.unlink()
            await asyncio.to_thread(other.start)
            found = await story.until_condition_is("BundleFresh", "RefreshFailed")
            assert found is not None
            await published(other, "spiffe")
            await story.until_condition_is("BundleFresh", "Fetched")
            assert set(held.keys()).isdisjoint(before)
            await story.until_event("Rebootstrapped")


async def test_a_pod_has_its_svid_as_files_from_template_to_node(
    node_folder: Path, setup: Setup, real_spire_agent: RealAgent
) -> None:
    manager = Manager(setup)
    await manager.node()
    limits = Limits(first_svid=SECONDS, agent_away=600.0)
    async with (
        manager.running(parent_id_template=real_spire_agent.id),
        run_driver(
            node_folder, real_spire_agent.admin_socket, heard=Heard(), limits=limits
        ) as driver,
    ):
        await manager.template("all", dnsNameTemplates=["{{ .PodMeta.Name }}.shop", "alias.shop"])
        uid = await manager.pod("web-1")
        pod = Pod(node_folder / "kubelet", uid=uid, namespace="default", service_account="default")
        pod.target.parent.mkdir(parents=True)
        volume = await driver.publish(pod)
        pem = await asyncio.to_thread((volume / "svid.pem").read_bytes)
        leaf = x509.load_pem_x509_certificate(pem)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
            "spiffe://example.org/ns/default/sa/default"
        ]
        assert names.get_values_for_type(x509.DNSName) == ["web-1.shop", "alias.shop"]
        await driver.unpublish(pod)


async def test_files_outlive_the_agent_and_are_renewed_when_it_is_back(
    node_folder: Path, real_spire_server: RealServer
) -> None:
    server, delegate = real_spire_server, "spiffe://example.org/delegate"
    with (
        SharedSpire.use(server) as spire,
        RealAgent(server, authorized_delegates=(delegate,)) as agent,
    ):
        pod = Pod(node_folder / "kubelet")
        pod.target.parent.mkdir(parents=True)
        spire.put(_entry(agent, "/delegate", US))
        spire.put(_entry(agent, "/web", f"k8s:pod-uid:{pod.uid}", ttl_seconds=8))
        await asyncio.to_thread(agent.wait_for_identity, delegate)
        limits = Limits(first_svid=SECONDS, agent_away=600.0)
        async with run_driver(
            node_folder, agent.admin_socket, heard=Heard(), limits=limits
        ) as driver:
            svid = await driver.publish(pod) / "svid.pem"
            await _until_renewed(svid)
            await asyncio.to_thread(agent.kill)
            held = await asyncio.to_thread(svid.read_bytes)
            await asyncio.to_thread(agent.start)
            await _until_renewed(svid, held)
            await driver.unpublish(pod)


def _entry(agent: RealAgent, path: str, selector: str, ttl_seconds: int = 0) -> types_pb2.Entry:
    kind, _, value = selector.partition(":")
    return types_pb2.Entry(
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=agent.id_path),
        selectors=[types_pb2.Selector(type=kind, value=value)],
        x509_svid_ttl=ttl_seconds,
    )


async def _until_renewed(svid: Path, held: bytes = b"") -> None:
    held = held or await asyncio.to_thread(svid.read_bytes)
    await until(lambda: svid.read_bytes() != held, SECONDS)
