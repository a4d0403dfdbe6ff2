"""Runs the checks of a module from inside of a Pod that sees the sockets of all its agents."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from topology.checks.check import Check, Verdict, verdicts
from topology.checks.federated import Federated
from topology.checks.health import Health
from topology.checks.nested import Nested
from topology.checks.oidc import Oidc, Provider
from topology.checks.pairs import Place
from topology.checks.rotation import CertificateRotation
from topology.checks.soak import Soak
from topology.checks.workloads import FILES, KINDS, WITH_FILES, Client, Visitor, Workloads
from topology.modules import Module, Modules
from topology.reader import Reader
from topology.workloadapi import WorkloadAPI

_ASKING = ("root", "nested-b", "nested-c", "auxiliary")
"""By the agents of these servers the test of the workloads module asks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a test is asked for: ``sockets`` has a folder for the agents of each server."""

    sockets: Path
    ready_seconds: float
    visitor: Visitor
    """How the test of the workloads module asks a server."""
    components: frozenset[str] = frozenset()
    soak_seconds: float = 0.0


def checks_of(module: Module, reader: Reader, asked: Asked) -> list[Check]:
    """All checks of the module, but its soak."""
    health = _health(module, reader)
    checks = health.checks(ready_seconds=asked.ready_seconds)
    upper = _places(Modules(module.prefix).all["nested"], asked.sockets)
    if module.name == "federated":
        places = _places(module, asked.sockets)
        return [*checks, *Federated(reader, module, places, upper).checks()]
    if module.name == "oidc":
        provider = Provider(f"oidc-discovery.{module.namespace}.svc")
        if "oidc-tls" not in asked.components:
            return [*checks, *Oidc(upper, provider).checks()]
        provider = Provider(provider.host, whom_to_trust=upper[0])
        rotation = CertificateRotation(provider, health)
        return [*checks, *Oidc(upper, provider).checks(), *rotation.checks()]
    if module.name == "workloads":
        return [*checks, *_workloads(module, asked).checks()]
    return [*checks, *Nested(reader, module, _places(module, asked.sockets)).checks()]


def _workloads(module: Module, asked: Asked) -> Workloads:
    modules = Modules(module.prefix).all
    places = [place for name in module.needs for place in _places(modules[name], asked.sockets)]
    clients = [
        Client(place.server, place.trust_domain, place.agent)
        for place in places
        if place.server in _ASKING
    ]
    kinds = (*KINDS, WITH_FILES) if FILES in asked.components else KINDS
    return Workloads(asked.visitor, clients, namespace=module.namespace, kinds=kinds)


def _health(module: Module, reader: Reader) -> Health:
    return Health(
        reader,
        module=module.name,
        namespace=module.namespace,
        servers=[server.name for server in module.servers],
        selector=module.selector,
    )


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


async def run_checks(
    module: Module, reader: Reader, asked: Asked, *, say: Callable[[str], None]
) -> AsyncIterator[Verdict]:
    """What comes of each check, as soon as it is known."""
    async for verdict in verdicts(checks_of(module, reader, asked)):
        yield verdict
    if asked.soak_seconds:
        upper = _places(Modules(module.prefix).all["nested"], asked.sockets)
        modules = Modules(module.prefix).all.values()
        above = {server.upstream for each in modules for server in each.servers}
        soak = Soak([*upper, *_places(module, asked.sockets)], say=say, above=above)
        await soak.run(asked.soak_seconds)
        for verdict in soak.verdicts():
            yield verdict
        after = [_health(module, reader).no_restart()]
        async for verdict in verdicts(after):
            yield verdict
