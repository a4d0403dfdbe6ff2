"""Who holds a prefix, in words, and whose Pod takes the place of whose."""

from pathlib import Path

import pytest

from api.meta import ObjectKey
from manager.prefixowner import described, is_rolled
from registrar.settings.model import (
    ControllerManager,
    LeaderElection,
    Settings,
    UnixAddress,
    WebhookMode,
)


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
