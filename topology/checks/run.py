"""Runs the checks of a module from inside of a Pod that sees the sockets of all its agents."""

from collections.abc import AsyncIterator
from pathlib import Path

from topology.checks.check import Check, Verdict, verdicts
from topology.checks.federated import Federated
from topology.checks.health import Health
from topology.checks.nested import Nested
from topology.checks.oidc import Oidc
from topology.checks.pairs import Place
from topology.checks.workloads import Client, Visitor, Workloads
from topology.modules import MODULES, Module
from topology.reader import Reader
from topology.workloadapi import WorkloadAPI

_ASKING = ("root", "nested-b", "nested-c", "auxiliary")
"""By the agents of these servers the test of the workloads module asks."""


def checks_of(
    module: Module, reader: Reader, *, sockets: Path, ready_seconds: float, visitor: Visitor
) -> list[Check]:
    """All checks of the module; ``sockets`` has a folder for the agents of each server."""
    health = Health(
        reader,
        module=module.name,
        namespace=module.namespace,
        servers=[server.name for server in module.servers],
    ).checks(ready_seconds=ready_seconds)
    if module.name == "federated":
        places = _places(module, sockets)
        upper = _places(MODULES["nested"], sockets)
        return [*health, *Federated(reader, module, places, upper).checks()]
    if module.name == "oidc":
        return [*health, *Oidc(_places(MODULES["nested"], sockets)).checks()]
    if module.name == "workloads":
        clients = [
            Client(place.server, place.trust_domain, place.agent)
            for name in ("nested", "federated")
            for place in _places(MODULES[name], sockets)
            if place.server in _ASKING
        ]
        return [*health, *Workloads(visitor, clients).checks()]
    return [*health, *Nested(reader, module, _places(module, sockets)).checks()]


def _places(module: Module, sockets: Path) -> list[Place]:
    return [
        Place(
            server.name,
            server.trust_domain,
            WorkloadAPI(str(sockets / server.name / "api.sock")),
            server.chain_length,
        )
        for server in module.servers
    ]


def run_checks(
    module: Module, reader: Reader, *, sockets: Path, ready_seconds: float, visitor: Visitor
) -> AsyncIterator[Verdict]:
    """What comes of each check, as soon as it is known."""
    checks = checks_of(
        module, reader, sockets=sockets, ready_seconds=ready_seconds, visitor=visitor
    )
    return verdicts(checks)
