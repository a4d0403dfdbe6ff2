"""Why a Pod is not ready, in words."""

import pytest

from api.codec import JSONObject, convert
from topology.kinds import Pod
from topology.reasons import crashes, why_not_ready

ROOT_SERVER = {"app.kubernetes.io/name": "spire-server", "topology.spire.io/server": "root"}
NESTED_SERVER = ROOT_SERVER | {"topology.spire.io/upstream": "root"}
AGENT = {"app.kubernetes.io/name": "spire-agent"}


def a_pod(labels: dict[str, str] | None = None, **status: object) -> Pod:
    document: JSONObject = {
        "metadata": {"name": "p", "labels": {**(labels or {})}},
        "status": status,  # type: ignore[dict-item]
    }
    return convert(document, Pod)


def container(name: str, **state: object) -> dict[str, object]:
    return {"name": name, "state": state}


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "message": message}


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (a_pod(conditions=[condition("Ready", "True")]), ""),
        (a_pod(phase="Succeeded"), ""),
        (
            a_pod(conditions=[condition("PodScheduled", "False", "0/1 nodes are available")]),
            "no node takes it: 0/1 nodes are available",
        ),
        (a_pod(ROOT_SERVER), "waits for its volumes: the upstream authority's Secret, its data"),
        (
            a_pod(
                NESTED_SERVER,
                containerStatuses=[
                    container("spire-registrar", running={}) | {"ready": True},
                    container("spire-server", running={}),
                ],
            ),
            "waits for its identity from the agent of root",
        ),
        (
            a_pod(AGENT, initContainerStatuses=[container("bundle", running={})]),
            "waits for its server's bundle",
        ),
        (
            a_pod(
                AGENT,
                initContainerStatuses=[container("bundle", terminated={"exitCode": 0})],
                containerStatuses=[container("spire-agent", running={})],
            ),
            "waits for its server",
        ),
        (
            a_pod(
                AGENT,
                containerStatuses=[
                    container("a", waiting={"reason": "ErrImagePull", "message": "no such image"})
                ],
            ),
            "a: ErrImagePull: no such image",
        ),
        (
            a_pod(AGENT, containerStatuses=[container("a", waiting={"reason": ""})]),
            "is being started",
        ),
    ],
)
def test_the_words_say_what_it_waits_for(pod: Pod, why: str) -> None:
    assert why_not_ready(pod) == why


def test_a_pod_that_ends_is_not_ready_whatever_it_says() -> None:
    document: JSONObject = {
        "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert why_not_ready(convert(document, Pod)) == "is ending"


def test_a_container_that_ended_with_an_error_or_again_and_again_has_crashed() -> None:
    done = container("done", terminated={"exitCode": 0})
    failed = container("failed", terminated={"exitCode": 2, "message": "no such key\n"})
    again = container("again", running={}) | {
        "restartCount": 1,
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }
    well = again | {"name": "well again", "ready": True}
    pod = a_pod(initContainerStatuses=[done], containerStatuses=[failed, again, well])
    assert [(crash.container, crash.why) for crash in crashes([pod])] == [
        ("failed", "exit code 2, no such key"),
        ("again", "exit code 137, OOMKilled"),
    ]
