"""`doctor` on a healthy installation, and on ones that are broken in one way each.

The servers are embedded ones and the registrar is the real process. What `doctor` asks goes
through a front that records it, so that it is seen to change nothing.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFEID, SPIRE_ENTRY
from api.proto import types_pb2
from manager.doctor import agents, apiserver, entries, federation, kinds, leases, running
from manager.doctor import spireserver as spire
from manager.doctor.checks import IN_CLUSTER
from manager.doctor.examination import Check, examine
from manager.doctor.finding import Finding, Level
from manager.doctor.world import World, opened
from registrar.claims.ownership import default_prefixes, owner_lease
from registrar.settings.model import (
    CRDMode,
    LeaderElection,
    PodIdentity,
    ReconcileMode,
    SpiffeIDWebhook,
    StaticManifests,
    TCPAddress,
    UnixAddress,
)
from tests.support.controllermanager import Manager
from tests.support.federation import PARTNER, Federating, seed
from tests.support.installation import NAMESPACE, Installation, at_work, installation
from tests.support.podwebhook import webhook_mode, write_material
from tests.support.selfsigned import self_signed
from tests.support.setup import embedded_setup, eventually

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Installation]:
    async with embedded_setup(tmp_path) as setup, installation(setup, tmp_path) as made:
        yield made


@pytest.fixture
async def healthy(bare: Installation) -> AsyncIterator[Installation]:
    async with at_work(bare):
        yield bare


@pytest.fixture
async def stopped(bare: Installation) -> Installation:
    """A registrar has worked, and does not run any more."""
    async with at_work(bare):
        pass
    return bare


async def prefix_of(made: Installation) -> str:
    """The prefix of entry IDs, as the registrar derives it."""
    found = await made.setup.client.get("/api/v1/namespaces/kube-system")
    metadata = found["metadata"]
    assert isinstance(metadata, dict)
    uid = str(metadata["uid"])
    return default_prefixes("test", uid, "controller-manager", "").current


async def test_all_is_well_where_it_is_and_nothing_is_written(healthy: Installation) -> None:
    calls = dict(healthy.setup.spire.calls)
    found = await healthy.findings()
    assert [each for each in healthy.said if each.level is not OK] == []
    assert set(found) == {check.name for check in IN_CLUSTER} | {entries.UNRECORDED}
    assert healthy.front.writes == []
    assert len(healthy.front.reviewed) > 10
    made = {m for m, n in healthy.setup.spire.calls.items() if n > calls.get(m, 0)}
    # The registrar runs meanwhile, and changes nothing either where nothing changes.
    assert all(method.startswith(("List", "Get", "Count")) for method in made), made


async def test_an_api_server_that_is_away_stops_no_other_finding(
    bare: Installation, tmp_path: Path
) -> None:
    bare.front.url = "http://127.0.0.1:1"
    away = bare.front.kubeconfig(tmp_path)
    await bare.of(apiserver.REACHED, ERROR, "does not answer", kubeconfig=away)
    found = await bare.findings(kubeconfig=away)
    assert [each.level for each in found[spire.REACHED]] == [OK]
    assert "cannot be looked at" in found[leases.LEADER][0].summary
    assert [each.check for each in bare.said if each.level is ERROR] == [apiserver.REACHED]


@pytest.mark.parametrize(("seconds", "level"), [(60, WARNING), (-60, WARNING), (3600, ERROR)])
async def test_a_clock_that_differs(bare: Installation, seconds: float, level: Level) -> None:
    bare.front.ahead_seconds = seconds
    await bare.of(apiserver.CLOCK, level, "ahead of" if seconds > 0 else "behind")


async def test_a_right_that_identities_depend_on_is_an_error(bare: Installation) -> None:
    bare.front.denied = {"list pods"}
    await bare.of(apiserver.RIGHTS, ERROR, "may not: list pods")


async def test_a_right_that_only_reports_depend_on_is_a_warning(bare: Installation) -> None:
    bare.front.denied = {"patch clusterspiffeids/status"}
    name = "clusterspiffeids.spire.spiffe.io/status"
    await bare.of(apiserver.RIGHTS, WARNING, f"may not: patch {name}")


async def test_the_rights_of_a_service_account_are_asked_about(bare: Installation) -> None:
    bare.account = "spire/registrar"
    await bare.of(apiserver.RIGHTS, OK, "the service account spire/registrar has")
    spec = bare.front.reviewed[-1]["spec"]
    assert isinstance(spec, dict)
    assert spec["user"] == "system:serviceaccount:spire:registrar"
    assert bare.front.reviewed[-1]["kind"] == "SubjectAccessReview"


async def test_reviews_that_are_refused_are_a_finding(bare: Installation) -> None:
    bare.front.refused = {"/apis/authorization.k8s.io/"}
    await bare.of(apiserver.RIGHTS, WARNING, "cannot be looked at")


async def test_a_kind_that_is_not_installed(bare: Installation) -> None:
    await bare.setup.client.delete(f"{CRDS}/{CLUSTER_SPIFFEID.resource}")
    await bare.of(kinds.KINDS, ERROR, "clusterspiffeids.spire.spiffe.io is not installed")


async def test_a_kind_that_only_records_need(bare: Installation) -> None:
    await bare.setup.client.delete(f"{CRDS}/{SPIRE_ENTRY.resource}")
    await bare.of(kinds.KINDS, WARNING, "spireentries.spiffeid.spiffe.io is not installed")
    found = await bare.findings()
    assert "not installed" in found[entries.LOST][0].summary
    assert "not installed" in found[entries.FAILING][0].summary


async def test_a_kind_with_another_schema(bare: Installation) -> None:
    path = f"{CRDS}/{CLUSTER_SPIFFEID.resource}"
    document = await bare.setup.client.get(path)
    spec = document["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    assert isinstance(versions[0], dict)
    schema = versions[0]["schema"]
    assert isinstance(schema, dict)
    properties: object = schema
    for name in ("openAPIV3Schema", "properties", "spec", "properties"):
        assert isinstance(properties, dict)
        properties = properties[name]
    assert isinstance(properties, dict)
    del properties["hint"]
    await bare.setup.client.merge(path, {"spec": {"versions": versions}})
    found = await bare.of(kinds.KINDS, WARNING, "another schema than ours")
    assert "spec.properties.hint" in found.summary


async def test_a_kind_whose_version_is_not_served(bare: Installation) -> None:
    path = f"{CRDS}/{CLUSTER_SPIFFEID.resource}"
    spec = (await bare.setup.client.get(path))["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    assert isinstance(versions[0], dict)
    await bare.setup.client.merge(path, {"spec": {"versions": [{**versions[0], "served": False}]}})
    await bare.of(kinds.KINDS, ERROR, "clusterspiffeids.spire.spiffe.io does not serve v1alpha1")


async def test_definitions_that_may_not_be_read_are_asked_about_otherwise(
    bare: Installation,
) -> None:
    bare.front.refused = {CRDS}
    await bare.of(kinds.KINDS, WARNING, "cannot be compared")
    await bare.of(kinds.KINDS, OK, "installed and served")
    await bare.setup.client.delete(f"{CRDS}/{CLUSTER_SPIFFEID.resource}")
    await bare.of(kinds.KINDS, ERROR, "clusterspiffeids.spire.spiffe.io is not installed")


async def test_a_spire_server_that_is_away_stops_no_other_finding(
    bare: Installation, tmp_path: Path
) -> None:
    nowhere = UnixAddress(tmp_path / "nobody.sock")
    await bare.of(spire.REACHED, ERROR, "does not answer at", spire=nowhere)
    found = await bare.findings(spire=nowhere)
    assert [each.level for each in found[apiserver.REACHED]] == [OK]
    for check in (spire.ACCESS, spire.TRUST_DOMAIN, agents.CLUSTER, entries.OTHERS):
        assert "the SPIRE server is not reached" in found[check][0].summary
        assert found[check][0].level is WARNING


async def test_another_trust_domain(bare: Installation) -> None:
    found = await bare.of(spire.TRUST_DOMAIN, ERROR, "serves example.org", trust_domain="other.org")
    assert "other.org" in found.summary


async def test_a_server_that_does_not_let_us_in(bare: Installation) -> None:
    bare.setup.spire.faults.fail("ListEntries", code=grpc.StatusCode.PERMISSION_DENIED)
    await bare.of(spire.ACCESS, ERROR, "does not let us in")


@pytest.mark.parametrize(
    ("since", "lasts", "level"), [(25, 24, ERROR), (23, 24, WARNING), (1, 24, OK)]
)
async def test_an_authority_that_ends(
    bare: Installation, since: float, lasts: float, level: Level
) -> None:
    certificate = self_signed(since_hours=since, for_hours=lasts)
    del bare.setup.spire.bundle.x509_authorities[:]
    bare.setup.spire.bundle.x509_authorities.add(asn1=certificate.public_bytes(Encoding.DER))
    await bare.of(spire.AUTHORITY, level, "X.509 authority")


async def test_a_server_without_an_authority(bare: Installation) -> None:
    del bare.setup.spire.bundle.x509_authorities[:]
    await bare.of(spire.AUTHORITY, ERROR, "shows no X.509 authority")


async def test_an_entry_from_the_future(bare: Installation) -> None:
    stored = bare.setup.spire.state.put(entry("x"))
    stored.created_at = int(time.time()) + 120
    await bare.of(entries.CLOCK, WARNING, "from the future")


def entry(id_: str, parent: str = "/agent", path: str = "/x") -> types_pb2.Entry:
    return types_pb2.Entry(
        id=id_,
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=parent),
        selectors=[types_pb2.Selector(type="unix", value=f"path:{id_}")],
    )


async def test_no_agents_at_all(bare: Installation) -> None:
    await bare.of(agents.CLUSTER, WARNING, "no agent is attested by k8s_psat")


async def test_agents_of_another_cluster(bare: Installation) -> None:
    bare.agent("uid", "staging")
    await bare.of(agents.CLUSTER, ERROR, "of the cluster 'test' is attested, but of staging")


async def test_nodes_without_agents_and_agents_without_nodes(healthy: Installation) -> None:
    document: JSONObject = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-2"}}
    await healthy.setup.client.apply(document)
    await healthy.of(agents.NODES, WARNING, "1 Node of 2 without an attested agent: node-2")
    await healthy.setup.client.delete("/api/v1/nodes/node-1")
    await healthy.setup.client.delete("/api/v1/nodes/node-2")
    await healthy.of(agents.NODES, WARNING, f"1 agent of Nodes that are gone: {healthy.node}")


async def test_nodes_that_may_not_be_read(bare: Installation) -> None:
    bare.front.refused = {"/api/v1/nodes"}
    await bare.of(agents.NODES, WARNING, "cannot be looked at")


async def test_agents_that_are_banned_or_do_not_renew(bare: Installation) -> None:
    banned = bare.agent("banned", banned=True)
    await bare.of(agents.ALIVE, WARNING, f"1 agent banned: {banned}")
    bare.setup.spire.state.agents.clear()
    ended = bare.agent("ended", x509svid_expires_at=int(time.time()) - 60)
    await bare.of(agents.ALIVE, WARNING, f"1 agent whose SVID has ended: {ended}")


async def test_nobody_leads(bare: Installation) -> None:
    await bare.of(leases.LEADER, ERROR, "no replica leads by the Lease default/registrar: nobody")
    await bare.lease(NAMESPACE, "registrar", holder="pod-1_x", seconds_ago=60)
    await bare.of(leases.LEADER, ERROR, "pod-1_x, renewed 6")


async def test_a_leader_whose_clock_is_ahead(bare: Installation) -> None:
    await bare.lease(NAMESPACE, "registrar", holder="pod-1_x", seconds_ago=-60)
    await bare.of(leases.LEADER, WARNING, "renewed it in the future")


async def test_without_leader_election_nobody_need_lead(bare: Installation) -> None:
    await bare.of(leases.LEADER, OK, "leader election is off", leader_election=None)


async def test_a_lease_whose_namespace_is_not_known(bare: Installation) -> None:
    bare.namespace = ""
    election = LeaderElection(None, "registrar")
    await bare.of(leases.LEADER, WARNING, "is not known", leader_election=election)


async def test_leases_that_may_not_be_read(bare: Installation) -> None:
    bare.front.refused = {"/apis/coordination.k8s.io/"}
    await bare.of(leases.LEADER, WARNING, "cannot be looked at")


async def test_nobody_holds_the_prefix(bare: Installation) -> None:
    await bare.of(leases.PREFIX, WARNING, "nobody holds the prefix")


async def test_a_registrar_of_another_mode_holds_the_prefix(bare: Installation) -> None:
    name = owner_lease("ours")
    words = "reconcile mode, all replicas"
    await bare.lease("kube-public", name, holder="pod-1_x", seconds_ago=1, words=words)
    await bare.of(leases.PREFIX, ERROR, "held by pod-1_x (reconcile mode", entry_id_prefix="ours")


async def test_a_registrar_that_is_not_reached(bare: Installation) -> None:
    bare.metrics = "http://127.0.0.1:1/metrics"
    await bare.of(running.READY, WARNING, "cannot be looked at")
    found = await bare.findings()
    assert "--metrics URL" in found[running.WRITES][0].remedy


async def test_a_registrar_that_is_not_ready(bare: Installation) -> None:
    bare.front.pages["/readyz"] = "[-] prefix: held by another\n[+] spire: ok\n"
    bare.metrics = f"{bare.front.url}/metrics"
    await bare.of(running.READY, ERROR, "is not ready: prefix: held by another")


async def test_the_leader_is_asked_through_the_api_server(bare: Installation) -> None:
    await bare.lease(NAMESPACE, "registrar", holder="pod-1_x", seconds_ago=1)
    pod = f"/api/v1/namespaces/{NAMESPACE}/pods/pod-1:8082/proxy"
    bare.front.pages[f"{pod}/readyz"] = "[+] spire: ok\n"
    bare.front.pages[f"{pod}/metrics"] = written(seconds=1.0, calls=10, number=1000)
    await bare.of(running.READY, OK, "is ready", metrics_addr=":8082")
    await bare.of(running.WRITES, OK, "SPIRE took 1.0 ms", metrics_addr=":8082")


async def test_a_server_that_takes_long_for_each_of_many_entries(bare: Installation) -> None:
    for number in range(running.MANY):
        bare.setup.spire.state.put(entry(f"e{number}"))
    bare.front.pages["/readyz"] = ""
    bare.front.pages["/metrics"] = written(seconds=20.0, calls=10, number=1000)
    bare.metrics = f"{bare.front.url}/metrics"
    found = await bare.of(running.WRITES, WARNING, "SPIRE took 20.0 ms for each of 1,000")
    assert "1,000 of them below one parent" in found.summary
    assert "ANALYZE" in found.remedy
    bare.front.pages["/metrics"] = written(seconds=0, calls=0, number=0)
    await bare.of(running.WRITES, OK, "has created nothing yet")


def written(*, seconds: float, calls: int, number: int) -> str:
    """Metrics of a registrar that has created so many entries in so many seconds."""
    call, batch = "spire_registrar_spire_call_seconds", "spire_registrar_spire_batch_size"
    return (
        f"# TYPE {call} histogram\n"
        f'{call}_bucket{{method="create",code="OK",le="+Inf"}} {calls}\n'
        f'{call}_count{{method="create",code="OK"}} {calls}\n'
        f'{call}_sum{{method="create",code="OK"}} {seconds}\n'
        f'{call}_sum{{method="list",code="OK"}} 99\n'
        f"# TYPE {batch} histogram\n"
        f'{batch}_bucket{{method="create",le="+Inf"}} {calls}\n'
        f'{batch}_count{{method="create"}} {calls}\n'
        f'{batch}_sum{{method="create"}} {number}\n'
    )


async def test_an_entry_that_is_gone_while_its_record_says_that_it_is_there(
    stopped: Installation,
) -> None:
    stopped.setup.spire.state.clear()
    await stopped.of(entries.LOST, ERROR, "1 record whose entry is not on the SPIRE server")


async def test_an_entry_that_nothing_records(stopped: Installation) -> None:
    await stopped.setup.client.delete(SPIRE_ENTRY.path())
    await stopped.of(entries.UNRECORDED, WARNING, "1 entry of ours that no SpireEntry records")


async def test_an_entry_that_comes_meanwhile_is_not_missed(healthy: Installation) -> None:
    """What is looked at twice, and is right the second time, was only under way."""
    stored = healthy.setup.spire.state.entries()[0]
    copy = types_pb2.Entry()
    copy.CopyFrom(stored)
    healthy.setup.spire.state.delete(stored.id)
    async with opened(
        healthy.settings, namespace=NAMESPACE, metrics_url=healthy.metrics, pause_seconds=0
    ) as world:

        async def pause() -> None:
            healthy.setup.spire.state.put(copy)

        world.pause = pause  # type: ignore[method-assign]
        found = await entries.records(world)
    assert [each.level for each in found] == [OK, OK], found


async def test_an_entry_of_a_pod_that_is_gone(stopped: Installation) -> None:
    await stopped.of(entries.GONE, OK, "each of 1 Pod that has an entry of ours is there")
    await Manager(stopped.setup).delete_pod("web")
    await stopped.of(entries.GONE, WARNING, "1 entry of ours for Pods that are gone: spiffe://")


async def test_deletions_that_wait_for_a_word(bare: Installation) -> None:
    bare.metrics = f"{bare.front.url}/metrics"
    bare.front.pages["/metrics"] = "spire_registrar_deletions_withheld 120.0\n"
    await bare.of(running.WITHHELD, WARNING, "120 deletions wait")


async def test_the_mode_and_its_names_are_said_first(bare: Installation) -> None:
    found = await bare.of("configuration", OK, "controller-manager mode")
    assert "trust domain example.org, cluster 'test'" in found.summary


async def test_a_record_that_says_that_its_entry_failed(healthy: Installation) -> None:
    healthy.setup.spire.faults.fail_entry(
        lambda message: message.spiffe_id.path == "/static/bad",
        code=grpc.StatusCode.INVALID_ARGUMENT,
    )
    await Manager(healthy.setup).static_entry("bad")

    async def is_said() -> bool:
        found = (await healthy.findings(entries.FAILING))[entries.FAILING]
        return found[0].level is ERROR

    await eventually(is_said)
    found = (await healthy.findings(entries.FAILING))[entries.FAILING][0]
    assert "InvalidEntry" in found.summary


async def test_other_registrars_are_seen_by_their_prefixes(healthy: Installation) -> None:
    name = "web.abcdefghijklmnopqrstuvwxyz"
    healthy.setup.spire.state.put(entry(f"theirs.{name}"))
    healthy.setup.spire.state.put(entry("by-hand", path="/y"))
    await healthy.of(entries.OTHERS, WARNING, "1 entry with the prefix 'theirs', which nobody")
    await healthy.lease(
        "kube-public", owner_lease("theirs"), holder="x", seconds_ago=1, words="crd mode"
    )
    found = (await healthy.findings(entries.OTHERS))[entries.OTHERS]
    assert "held by crd mode" in found[0].summary
    assert "1 entry that no registrar made" in found[1].summary


async def test_spire_controller_managers_entries_are_known_by_their_form(
    bare: Installation,
) -> None:
    bare.setup.spire.state.put(entry("scm.0b5b5a4e-3c1f-4c47-9a3c-1d2e3f405162"))
    await bare.of(entries.OTHERS, WARNING, "1 entry with the prefix 'scm'")


async def test_a_trust_domain_without_a_bundle(bare: Installation) -> None:
    Federating(bare.setup).made_by_hand("partner.test", "https://127.0.0.1:1/bundle")
    await bare.of(federation.BUNDLES, ERROR, "has no bundle of partner.test")


@pytest.mark.parametrize(("since", "level"), [(25, ERROR), (23, WARNING), (1, OK)])
async def test_a_bundle_whose_authorities_end(
    bare: Installation, since: float, level: Level
) -> None:
    federating = Federating(bare.setup)
    federating.made_by_hand("partner.test", "https://127.0.0.1:1/bundle")
    der = self_signed(since_hours=since, for_hours=24).public_bytes(Encoding.DER)
    federating.fetched(replace(seed("key"), x509_authorities=(der,)))
    await bare.of(federation.BUNDLES, level, "bundle")


async def test_an_object_of_another_trust_domain_that_says_what_is_wrong(
    healthy: Installation,
) -> None:
    await Manager(healthy.setup).trust_domain("partner", **PARTNER)

    async def is_said() -> bool:
        found = (await healthy.findings(federation.OBJECTS))[federation.OBJECTS]
        return "partner: BundleAvailable is False" in found[0].summary

    await eventually(is_said)


async def test_static_mode_is_looked_at_without_a_cluster(
    bare: Installation, tmp_path: Path
) -> None:
    manager = bare.settings.controller_manager
    assert manager is not None
    static = replace(manager, static_manifests=StaticManifests(tmp_path))
    found = await bare.findings(controller_manager=static, leader_election=None)
    assert spire.TRUST_DOMAIN in found
    assert apiserver.REACHED not in found
    assert bare.front.asked == []


async def test_a_check_that_is_wrong_itself_stops_no_other(bare: Installation) -> None:
    async def broken(_: World) -> list[Finding]:
        raise ZeroDivisionError("by zero")

    checks = [Check("group", "broken", "this", broken), *IN_CLUSTER[:1]]
    async with opened(bare.settings, namespace=NAMESPACE) as world:
        found = [finding async for _, finding in examine(checks, world)]
    assert [each.level for each in found] == [WARNING, OK]
    assert "ZeroDivisionError" in found[0].summary


@pytest.mark.parametrize("mode", ["layered", "layered with Pods", "reconcile", "crd", "webhook"])
async def test_every_mode_is_looked_at(bare: Installation, tmp_path: Path, mode: str) -> None:
    write_material(tmp_path)
    variants: dict[str, dict[str, object]] = {
        "layered": {},
        "layered with Pods": {"pods": PodIdentity("label", "spiffe")},
        "reconcile": {"workload_registrar": ReconcileMode(dns_zone="example.org")},
        "crd": {
            "workload_registrar": CRDMode(webhook=SpiffeIDWebhook()),
            "pods": PodIdentity("template"),
        },
        "webhook": {"workload_registrar": webhook_mode(tmp_path), "leader_election": None},
    }
    found = await bare.findings(controller_manager=None, **variants[mode])
    assert [each for each in bare.said if "report this fault" in each.remedy] == []
    assert found[apiserver.RIGHTS][0].level is OK
    assert found[kinds.KINDS][0].level is OK
    assert bare.front.writes == []


async def test_a_server_over_tcp_without_an_agent_here(bare: Installation, tmp_path: Path) -> None:
    address = TCPAddress("127.0.0.1", 1, tmp_path / "no-agent.sock")
    found = await bare.of(spire.REACHED, ERROR, "does not answer at 127.0.0.1:1", spire=address)
    assert "no-agent.sock" in found.remedy
