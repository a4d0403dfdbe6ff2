"""Who holds a prefix, in words, and whose Pod takes the place of whose."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from api.core import ObjectReference
from api.meta import ObjectKey
from manager.prefixowner import HELD_BY_ANNOTATION, PrefixOwner, described, is_rolled
from registrar.kube.client import KubeClient
from registrar.kube.session import connect
from registrar.settings.model import (
    ControllerManager,
    LeaderElection,
    Settings,
    UnixAddress,
    WebhookMode,
)
from tests.support.scripted_api import json_reply, scripted_api
from tests.support.waiting import until

OLD, NEW = "registrar-6d4cf56db6-9zq5w", "registrar-7f8b9c5d4-x7k2p"


def settings(**changes: object) -> Settings:
    plain: dict[str, object] = {
        "cluster": "west",
        "trust_domain": "example.org",
        "spire": UnixAddress(Path()),
    }
    return Settings(**{**plain, **changes})  # type: ignore[arg-type]


def test_replicas_of_one_registrar_are_described_alike_and_no_others() -> None:
    lease, other = ObjectKey("spire", "one"), ObjectKey("spire", "two")
    election = LeaderElection("spire", "one")
    manager = settings(controller_manager=ControllerManager())
    mode = WebhookMode(certificate=Path(), key=Path(), client_authority=None)
    webhook = settings(workload_registrar=mode)
    found = [
        described(settings(), lease=lease, namespace="spire"),
        described(settings(), lease=other, namespace="spire"),
        described(settings(class_name="blue"), lease=lease, namespace="spire"),
        described(manager, lease=lease, namespace="spire"),
        described(settings(), lease=None, namespace="spire"),
        described(settings(), lease=None, namespace="other"),
        described(settings(), lease=None, namespace=""),
        described(webhook, lease=None, namespace="spire"),
    ]
    assert len(set(found)) == len(found)
    elected = settings(leader_election=election)
    assert described(elected, lease=lease, namespace="a") == found[0]


@pytest.mark.parametrize(
    ("ours", "other", "answer"),
    [
        ("registrar-6d4cf56db6-x7k2p", "registrar-6d4cf56db6-9zq5w", True),
        ("registrar-6d4cf56db6-x7k2p", "registrar-7f8b9c5d4-9zq5w", True),
        ("registrar-6d4cf56db6-x7k2p", "registrar-6d4cf56db6-x7k2p", False),
        ("registrar-6d4cf56db6-x7k2p", "registrar-two-7f8b9c5d4-9zq5w", False),
        ("spire-server-0", "spire-server-1", False),
        ("laptop", "laptop", False),
        ("laptop", "", False),
        ("registrar-6d4cf56db6-x7k2p", "webhook mode, all replicas", False),
    ],
)
def test_only_pods_of_one_deployment_take_each_others_place(
    ours: str, other: str, answer: bool
) -> None:
    assert is_rolled(ours, other) is answer


async def nothing() -> None:
    """Work that is never begun."""


class Nobody:
    """Hears of Events, and counts them."""

    def __init__(self) -> None:
        self.number = 0

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002, ARG002 - the protocol's
        self.number += 1


@pytest.mark.parametrize(
    ("holder", "words", "is_ready"),
    [
        pytest.param(f"{OLD}_1", "me", True, id="a Pod of the same Deployment"),
        pytest.param(f"{OLD}_1", "another", False, id="with another configuration"),
        pytest.param("other-7f8b9c5d4-9zq5w_1", "me", False, id="of another Deployment"),
        pytest.param(f"{NEW}_1", "me", False, id="on this very host"),
    ],
)
async def test_a_pod_that_replaces_another_is_ready_while_it_waits_so_that_a_rollout_goes_on(
    tmp_path: Path, holder: str, words: str, is_ready: bool
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return json_reply(
            {
                "metadata": {"name": "x", "annotations": {HELD_BY_ANNOTATION: words}},
                "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60},
            }
        )

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="new") as session,
        asyncio.TaskGroup() as tasks,
    ):
        events = Nobody()
        owner = PrefixOwner(
            KubeClient(session),
            prefix="west",
            me="me",
            identity=f"{NEW}_2",
            election=None,
            leads=lambda: True,
            events=events,
        )
        waiting = tasks.create_task(owner.run(nothing))
        await until(owner.is_waiting)
        assert not owner.may_write()
        assert (owner.problem() is None) is is_ready
        assert owner.state == ("" if is_ready else "held-by-another")
        assert events.number == (0 if is_ready else 1)
        waiting.cancel()
