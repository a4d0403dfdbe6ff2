"""The workload registrar's webhook mode: Pods as the API server asks about them."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.codec import JSONObject
from registrar.settings.model import PodIdentity
from tests.support.podwebhook import ROOT, Asked, review
from tests.support.setup import Setup, eventually, some_looks, until

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


@pytest.mark.story
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


@pytest.mark.story
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
        await some_looks(blind.setup)
        assert len(blind.setup.entries(DEFAULT)) == 2
        await blind.ask(review("DELETE", "a"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 1)


def _response(answer: JSONObject) -> JSONObject:
    response = answer["response"]
    assert isinstance(response, dict)
    return response


async def test_without_rights_on_pods_an_edit_brings_no_deleted_pod_back(
    blind: Asked, tmp_path: Path
) -> None:
    """What takes a finalizer off, say, is an edit of a Pod that goes."""
    async with blind.mode(tmp_path):
        await blind.ask(review("CREATE", "a"))
        await blind.until_entry(DEFAULT)
        await blind.ask(review("DELETE", "a"))
        await blind.until_gone(DEFAULT)
        await blind.ask(review("UPDATE", "a"))
        await blind.ask(review("UPDATE", "a", metadata={"deletionTimestamp": _LONG_AGO}))
        await blind.ask(review("CREATE", "b"))
        entry = await blind.until_entry(DEFAULT)
        assert [s.value for s in entry.selectors] == ["ns:default", "pod-name:b"]


async def test_without_rights_on_pods_what_runs_keeps_its_identity_from_who_takes_its_name(
    blind: Asked, tmp_path: Path
) -> None:
    async with blind.mode(tmp_path, PodIdentity("label", "spiffe")):
        await blind.ask(review("CREATE", "a", metadata={"labels": {"spiffe": "one"}}))
        await blind.until_entry("/one")
        # The API server refuses it after us: AlreadyExists.
        taking: JSONObject = {"labels": {"spiffe": "two"}}
        await blind.ask(review("CREATE", "a", uid="uid-2", metadata=taking))
        await blind.ask(review("CREATE", "b", metadata={"labels": {"spiffe": "three"}}))
        await blind.until_entry("/three")
        assert blind.entry("/one") is not None
        assert blind.entry("/two") is None


def forbid_pods(cluster: Asked) -> None:
    """Take away the right to read Pods, but for watches that are open."""
    for method in ("list", "watch"):
        cluster.faults.fail(None, 403, method=method, resource="pods")


async def test_rights_on_pods_that_are_taken_away_later_void_no_deletion(
    embedded: Setup, tmp_path: Path
) -> None:
    cluster = Asked(embedded)
    async with cluster.mode(tmp_path):
        await cluster.ready()
        uid = await cluster.pod("a")
        await cluster.until_entry(DEFAULT)
        forbid_pods(cluster)
        cluster.faults.drop_watches()

        async def is_believed() -> bool:
            await cluster.ask(review("DELETE", "a", uid=uid))
            return cluster.entry(DEFAULT) is None

        await cluster.delete_pod("a")
        await eventually(is_believed)


async def test_an_entry_that_somebody_deletes_while_pods_cannot_be_read_is_there_again_after_that(
    embedded: Setup, tmp_path: Path
) -> None:
    cluster = Asked(embedded)
    async with cluster.mode(tmp_path):
        await cluster.ready()
        await cluster.pod("a")
        await cluster.until_recorded(DEFAULT)
        forbid_pods(cluster)
        cluster.faults.drop_watches()

        async def is_gone() -> bool:
            for entry in embedded.entries(DEFAULT):
                embedded.spire.state.delete(entry.id)
            await some_looks(embedded)
            return not embedded.entries(DEFAULT)

        # Another replica may have heard that the Pod goes.
        await eventually(is_gone)
        cluster.faults.clear()
        await cluster.until_entry(DEFAULT)


async def test_a_wrong_pod_that_may_be_read_only_later_inherits_nothing_from_one_of_its_name(
    embedded: Setup, tmp_path: Path
) -> None:
    cluster, identity = Asked(embedded), PodIdentity("label", "spiffe")
    await cluster.pod("a", labels={"spiffe": "one"})
    await cluster.pod("b", labels={"spiffe": "two"})
    async with cluster.mode(tmp_path, identity):
        await cluster.until_recorded("/one")
        await cluster.until_recorded("/two")
    for name in ("a", "b"):
        await cluster.delete_pod(name)
    await cluster.pod("a", labels={"spiffe": "spire"})
    await cluster.pod("a2", labels={"spiffe": "three"})
    forbid_pods(cluster)
    async with cluster.mode(tmp_path, identity):
        await some_looks(embedded)
        assert cluster.paths() == ["/one", "/two"]
        cluster.faults.clear()
        await cluster.until_entry("/three")
        await cluster.until_gone("/two")
        await cluster.until_gone("/one")


async def test_replicas_without_rights_on_pods_leave_each_others_entries_alone(
    blind: Asked, tmp_path: Path
) -> None:
    other = Asked(blind.setup)
    async with _two(blind, other, tmp_path):
        await blind.ask(review("CREATE", "a"))
        await blind.until_entry(DEFAULT)
        # The other one has seen it, and does not believe it to be nobody's.
        await until(lambda: _claims(other) == 2)
        await blind.ask(review("CREATE", "b"))
        await until(lambda: _claims(other) == 3)
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 2)
        # Whoever is told of it, a deletion counts for both.
        await other.ask(review("DELETE", "a"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 1)
        await until(lambda: _claims(blind) == 2)
        await blind.ask(review("DELETE", "b"))
        await blind.until_gone(DEFAULT)
        await until(lambda: _claims(other) == 1)


async def test_a_pod_made_anew_while_another_replica_hears_of_the_old_ones_end(
    blind: Asked, tmp_path: Path
) -> None:
    """As a StatefulSet does it, with requests that are spread over the replicas."""
    # SPIRE tells times of creation in whole seconds.
    blind.spire.state.clock = lambda: time.time() - 60.0
    async with blind.mode(tmp_path):
        await blind.ask(review("CREATE", "a"))
        await blind.until_entry(DEFAULT)
    blind.spire.state.clock = time.time
    other = Asked(blind.setup)
    async with _two(blind, other, tmp_path):
        await blind.ask(review("CREATE", "b"))
        await until(lambda: _claims(other) == 3)
        await other.ask(review("DELETE", "a"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 1)
        await blind.ask(review("CREATE", "a", uid="again"))
        await until(lambda: len(blind.setup.entries(DEFAULT)) == 2)
        await some_looks(blind.setup, 8)
        assert len(blind.setup.entries(DEFAULT)) == 2
        await until(lambda: _claims(other) == _claims(blind) == 3)


_LONG_AGO = "2024-01-01T00:00:00Z"


def _claims(cluster: Asked) -> int:
    """The entries that a registrar wants to be there, the alias included."""
    return int(cluster.process.entry_counts()["desired"])


@contextlib.asynccontextmanager
async def _two(one: Asked, other: Asked, folder: Path) -> AsyncIterator[None]:
    """Two replicas, looked at by two clients."""
    folders = folder / "1", folder / "2"
    for each in folders:
        each.mkdir()
    async with one.mode(folders[0]), other.mode(folders[1]):
        await one.ready()
        await other.ready()
        yield


async def test_a_record_follows_an_entry_whose_deletion_was_done_but_not_answered(
    embedded: Setup, tmp_path: Path
) -> None:
    """Of an earlier life, and its Pod is there, finished: nobody else takes the record away."""
    cluster, identity = Asked(embedded), PodIdentity("label", "spiffe")
    await cluster.node()
    await cluster.pod("a", labels={"spiffe": "one"})
    async with cluster.mode(tmp_path, identity):
        await cluster.until_entry("/one")
        await cluster.until_recorded("/one")
    (entry,) = embedded.entries("/one")
    finished: JSONObject = {"status": {"phase": "Succeeded"}}
    await embedded.client.merge("/api/v1/namespaces/default/pods/a/status", finished)
    embedded.spire.faults.fail("BatchDeleteEntry")
    async with cluster.mode(tmp_path, identity):
        await until(lambda: embedded.spire.calls["BatchDeleteEntry"] > 0)
        embedded.spire.state.delete(entry.id)
        # What is missing is seen by itself before the deletion is tried again.
        await some_looks(embedded)
        embedded.spire.faults.clear()

        async def is_alone() -> bool:
            found = {record.spec.spiffe_id for record in await embedded.spire_entries()}
            return "spiffe://example.org/one" not in found

        await eventually(is_alone)
        assert not embedded.entries("/one")
