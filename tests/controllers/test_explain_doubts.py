"""What ``explain`` says where not all can be read, and of objects that are not what counts."""

from dataclasses import replace

import pytest
from grpc import StatusCode

from manager.explain import objects
from manager.explain.explain import explain
from manager.explain.subjects import Subject
from manager.preview.rehearsal import CannotPreview
from registrar.settings.model import ControllerManager
from tests.support.controllermanager import Manager
from tests.support.explaining import Asking, attest, text_of
from tests.support.setup import Setup, until

pytestmark = pytest.mark.usefixtures("in_spire")

MANAGER = ControllerManager()
SA = "spiffe://example.org/ns/default/sa/default"
TRUST = {
    "trustDomain": "other.org",
    "bundleEndpointURL": "https://other.org/bundle",
    "bundleEndpointProfile": {"type": "https_web"},
}


@pytest.fixture
def ask(embedded: Setup) -> Asking:
    return Asking(embedded, {"controller_manager": MANAGER})


async def served(manager: Manager) -> None:
    """The Pod web-1 with an entry that the agent of its node serves."""
    attest(manager.setup, "node-1", await manager.node("node-1"))
    await manager.template("all")
    await manager.pod("web-1", node="node-1")
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: len(manager.setup.entries()) == 1)


def refuse(manager: Manager, resource: str) -> None:
    """Let nobody read a kind any more."""
    assert manager.setup.embedded is not None
    manager.setup.embedded.faults.fail(None, 403, resource=resource)


async def test_without_the_agents_nobody_can_tell_who_gets_what(
    manager: Manager, ask: Asking
) -> None:
    await served(manager)
    manager.spire.faults.fail("ListAgents", code=StatusCode.PERMISSION_DENIED, message="no")
    for subject in ("pod/web-1", "clusterspiffeid/all", f"spiffe-id/{SA}"):
        found = await ask(subject)
        assert found.has_identity is None, found.verdict
        assert found.verdict.startswith("nobody can tell whether ")
        assert SA in found.verdict
        assert "an SVID of an admin entry" in found.verdict
    assert "served by       nobody can tell" in text_of(await ask("pod/web-1"))


async def test_a_kind_that_cannot_be_read_is_not_taken_for_empty(
    manager: Manager, ask: Asking
) -> None:
    await manager.node("node-1")
    await manager.pod("web-1", node="node-1")
    await manager.trust_domain("other", **TRUST)
    for kind in ("clusterspiffeids", "clusterstaticentries", "clusterfederatedtrustdomains"):
        refuse(manager, kind)
    for subject in (
        "pod/web-1",
        "clusterspiffeid/all",
        "clusterstaticentry/one",
        "spiffe-id/spiffe://example.org/x",
        "clusterfederatedtrustdomain/other",
    ):
        found = await ask(subject)
        assert found.has_identity is None, found.verdict
        assert found.verdict.startswith("nobody can tell")
        assert "list and watch on cluster" in found.verdict
    # The SPIRE server's entries are known, whoever asks for them.
    assert (await ask("entry/none")).has_identity is False


async def test_what_keeps_a_pod_from_its_identity_is_no_doubt(
    manager: Manager, ask: Asking
) -> None:
    await manager.pod("web-1", node="")
    refuse(manager, "clusterstaticentries")
    assert (await ask("pod/web-1")).has_identity is False


async def test_a_node_that_is_not_known_is_no_fault_of_the_template(
    manager: Manager, ask: Asking
) -> None:
    await manager.template("all")
    await manager.pod("web-1", node="nowhere")
    (considered,) = (await ask("pod/web-1")).considered
    assert (considered.word, considered.why) == ("InputUnknown", "its node nowhere is not known")
    assert "template" not in considered.remedy


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"trustDomain": "example.org"}, "is wrong: spec.trustDomain"),
        ({"className": "foreign"}, "spec.className is 'foreign', it must be absent"),
    ],
    ids=["wrong", "foreign"],
)
async def test_a_federated_trust_domain_that_does_not_count_says_why(
    manager: Manager, ask: Asking, changes: dict[str, object], what: str
) -> None:
    await manager.trust_domain("good", **{**TRUST, "trustDomain": "good.org"})
    await manager.trust_domain("bad", **{**TRUST, **changes})
    found = await ask("clusterfederatedtrustdomain/bad")
    assert found.has_identity is False
    assert what in found.verdict


async def test_of_two_for_one_trust_domain_only_the_older_is_federated(
    manager: Manager, ask: Asking
) -> None:
    for name in ("one", "two"):
        await manager.trust_domain(name, **TRUST)
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: bool(manager.spire.state.relationships))
    found = [await ask(f"clusterfederatedtrustdomain/{name}") for name in ("one", "two")]
    # Both may be of one second, so that their uids tell which is older.
    winner, loser = sorted(found, key=lambda one: not one.has_identity)
    assert winner.has_identity
    assert loser.has_identity is False
    assert "is for other.org too and is older" in loser.verdict


async def test_the_time_limit_is_for_the_reasons_too(manager: Manager) -> None:
    subject = Subject("Pod", "default", "web-1")
    settings = replace(manager.setup.settings, controller_manager=MANAGER)
    with manager.spire.faults.held("ListAgents"), pytest.raises(CannotPreview):
        await explain(settings, subject, deadline_seconds=2.0)


async def test_it_is_said_that_not_every_pod_was_looked_at(
    manager: Manager, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MOST_PODS", 1)
    await manager.node("node-1")
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    for name in ("db-1", "db-2", "db-3"):
        await manager.pod(name, node="node-1", labels={"app": "db"})
    found = await ask("clusterspiffeid/web")
    assert found.facts["Pods looked at"] == "1 of 3; others may come nearer"
