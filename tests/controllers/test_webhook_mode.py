"""The workload registrar's webhook mode: Pods as the API server asks about them."""

from pathlib import Path

import pytest

from api.codec import JSONObject
from registrar.settings.model import PodIdentity
from tests.support.podwebhook import ROOT, Asked, review
from tests.support.setup import Setup, until

DEFAULT = "/ns/default/sa/default"


@pytest.fixture
async def cluster(setup: Setup) -> Asked:
    cluster = Asked(setup)
    await cluster.node()
    return cluster


@pytest.fixture
async def blind(embedded: Setup) -> Asked:
    """A cluster in which the registrar may read neither Pods nor Namespaces."""
    assert embedded.embedded is not None
    for resource in ("pods", "namespaces"):
        embedded.embedded.faults.fail(None, status=403, method="list", resource=resource)
    return Asked(embedded)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_created_pod_has_the_entry_of_the_original(
    cluster: Asked, tmp_path: Path, version: str
) -> None:
    async with cluster.mode(tmp_path):
        answer = await cluster.ask(review("CREATE", "a", version=version))
        assert answer == {
            "apiVersion": f"admission.k8s.io/{version}",
            "kind": "AdmissionReview",
            "response": {"uid": "question", "allowed": True},
        }
        await cluster.until_entry(ROOT, parent="/spire/server", selectors=["k8s_psat:cluster:test"])
        await cluster.until_entry(
            DEFAULT, parent=ROOT, selectors=["k8s:ns:default", "k8s:pod-name:a"]
        )


async def test_a_deleted_pod_that_was_never_stored_loses_its_entry(
    cluster: Asked, tmp_path: Path
) -> None:
    async with cluster.mode(tmp_path):
        await cluster.ask(review("CREATE", "a"))
        await cluster.until_entry(DEFAULT)
        await cluster.ask(review("DELETE", "a"))
        await cluster.until_gone(DEFAULT)


async def test_a_stored_pod_keeps_its_entry_until_it_is_really_gone(
    cluster: Asked, tmp_path: Path
) -> None:
    async with cluster.mode(tmp_path):
        await cluster.ready()
        uid = await cluster.pod("a")
        await cluster.until_entry(DEFAULT)
        await cluster.ask(review("DELETE", "a", uid=uid))
        await cluster.ask(review("CREATE", "b"))
        await until(lambda: len(cluster.setup.entries(DEFAULT)) == 2)
        await cluster.delete_pod("a")
        await until(lambda: len(cluster.setup.entries(DEFAULT)) == 1)


async def test_a_creation_that_will_be_refused_changes_nothing(
    cluster: Asked, tmp_path: Path
) -> None:
    async with cluster.mode(tmp_path, PodIdentity("label", "spiffe")):
        await cluster.ready()
        await cluster.pod("a", labels={"spiffe": "one"})
        await cluster.until_entry("/one")
        # The API server asks before it sees that the name is taken.
        for name, identity in (("a", "two"), ("b", "three")):
            labels: JSONObject = {"labels": {"spiffe": identity}}
            await cluster.ask(review("CREATE", name, uid="another", metadata=labels))
        await cluster.until_entry("/three")
        assert cluster.paths() == ["/one", "/three"]


async def test_what_the_webhook_missed_is_swept_up(cluster: Asked, tmp_path: Path) -> None:
    await cluster.pod("a")
    async with cluster.mode(tmp_path):
        await cluster.until_entry(DEFAULT, selectors=["k8s:ns:default", "k8s:pod-name:a"])
        await cluster.until_recorded(DEFAULT)
    await cluster.delete_pod("a")
    async with cluster.mode(tmp_path):
        await cluster.until_gone(DEFAULT)


async def test_a_generated_name_is_the_one_in_the_object(cluster: Asked, tmp_path: Path) -> None:
    async with cluster.mode(tmp_path):
        question = review("CREATE", "a-x7k2p", metadata={"generateName": "a-"})
        request = question["request"]
        assert isinstance(request, dict)
        request["name"] = ""
        await cluster.ask(question)
        await cluster.until_entry(DEFAULT, selectors=["k8s:ns:default", "k8s:pod-name:a-x7k2p"])


async def test_everything_is_allowed_and_nothing_else_makes_an_entry(
    cluster: Asked, tmp_path: Path
) -> None:
    async with cluster.mode(tmp_path, PodIdentity("label", "spiffe")):
        broken = review("CREATE", "broken", object={"metadata": {"name": 7}})
        dry = review("CREATE", "dry", metadata={"labels": {"spiffe": "dry"}}, dryRun=True)
        other = review("CREATE", "other", kind={"group": "apps", "kind": "Deployment"})
        unlabelled = review("CREATE", "unlabelled")
        system = review(
            "CREATE", "sys", namespace="kube-system", metadata={"labels": {"spiffe": "sys"}}
        )
        for question in (broken, dry, other, unlabelled, system, review("CONNECT", "x")):
            answer = await cluster.ask(question)
            assert _response(answer)["allowed"] is True
        good = review("CREATE", "good", metadata={"labels": {"spiffe": "good"}})
        await cluster.ask(good, path="/")
        await cluster.until_entry("/good")
        assert cluster.paths() == ["/good"]


async def test_it_answers_while_spire_is_down_and_catches_up(
    embedded: Setup, tmp_path: Path
) -> None:
    cluster = Asked(embedded)
    embedded.spire.faults.fail("ListEntries")
    async with cluster.mode(tmp_path):
        answer = await cluster.ask(review("CREATE", "a"))
        assert _response(answer)["allowed"] is True
        assert cluster.entry(DEFAULT) is None
        embedded.spire.faults.clear()
        await cluster.until_entry(DEFAULT)


async def test_without_rights_on_pods_edits_follow_if_the_rules_say_update(
    blind: Asked, tmp_path: Path
) -> None:
    async with blind.mode(tmp_path, PodIdentity("label", "spiffe")):
        for operation, identity in (("CREATE", "one"), ("UPDATE", "two")):
            labels: JSONObject = {"labels": {"spiffe": identity}}
            await blind.ask(review(operation, "a", metadata=labels))
            await blind.until_entry(f"/{identity}")
        await blind.until_gone("/one")


async def test_without_rights_on_pods_what_is_said_is_believed(
    blind: Asked, tmp_path: Path
) -> None:
    async with blind.mode(tmp_path):
        await blind.ask(review("CREATE", "a"))
        await blind.ask(review("CREATE", "b"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 2)
    # After a restart nothing is known of the Pods: what SPIRE holds for them stays.
    async with blind.mode(tmp_path):
        await blind.ready()
        assert len(blind.setup.entries(DEFAULT)) == 2
        await blind.ask(review("DELETE", "a"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 1)


def _response(answer: JSONObject) -> JSONObject:
    response = answer["response"]
    assert isinstance(response, dict)
    return response
