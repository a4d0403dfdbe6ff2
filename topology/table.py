"""One table of all servers: how they are, and what their registrars hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, SPIRE_ENTRY
from api.meta import Condition, find_condition
from api.spiffeid.v1beta1.spireentry import INSTANCE_LABEL
from registrar.kube.session import Session
from topology import labels
from topology.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Workload
from topology.modules import Module, Server
from topology.reader import Reader

_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One server; counts are "ready/wanted"."""

    module: str
    server: str
    trust_domain: str
    ready: str
    agents: str
    registrar: str
    entries: str
    relationships: str


async def rows(session: Session, modules: Sequence[Module]) -> list[Row]:
    """A row for each server of these modules, there or not. Raises KubeError."""
    reader = Reader(session)
    entries = await reader.all(SPIRE_ENTRY)
    domains = await reader.all(CLUSTER_FEDERATED_TRUST_DOMAIN)
    found = []
    for module in modules:
        label = f"{labels.MODULE}={module.name}"
        stateful, daemons, deployments = [
            await reader.all(kind, namespace=module.namespace, label=label)
            for kind in (STATEFUL_SET, DAEMON_SET, DEPLOYMENT)
        ]
        if not module.servers:
            found.append(_without_servers(module, deployments))
        for server in module.servers:
            states = [
                each.status.conditions
                for each in entries
                if _is_of(each.metadata.labels.get(INSTANCE_LABEL, ""), server)
            ]
            relations = [
                f"{each.spec.trust_domain} {_relation(each.status.conditions)}"
                for each in domains
                if each.spec.class_name == server.class_name
            ]
            found.append(
                Row(
                    module.name,
                    server.name,
                    server.trust_domain,
                    _count(stateful, server, labels.SPIRE_SERVER),
                    _count(daemons, server, labels.SPIRE_AGENT),
                    _registrar(stateful, deployments, server),
                    f"{sum(_is_true(each) for each in states)}/{len(states)}",
                    ", ".join(relations) or _ABSENT,
                )
            )
    return found


def _without_servers(module: Module, deployments: list[Workload]) -> Row:
    ready = sum(each.ready for each in deployments)
    wanted = sum(each.wanted for each in deployments)
    count = f"{ready}/{wanted}" if deployments else _ABSENT
    return Row(module.name, _ABSENT, _ABSENT, count, _ABSENT, _ABSENT, _ABSENT, _ABSENT)


def table(found: Sequence[Row]) -> str:
    """The rows as text, a column as wide as it must be."""
    head = ("MODULE", "SERVER", "TRUST DOMAIN", "READY", "AGENTS", "REGISTRAR", "ENTRIES")
    lines = [(*head, "RELATIONSHIPS")]
    lines += [
        (
            row.module,
            row.server,
            row.trust_domain,
            row.ready,
            row.agents,
            row.registrar,
            row.entries,
            row.relationships,
        )
        for row in found
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _is_of(instance: str, server: Server) -> bool:
    """Whether a SpireEntry is of this server's registrar, by the label that says whose it is."""
    name = re.escape(server.class_name)
    return (
        re.fullmatch(rf"spire-registrar\.controller-manager\.{name}-[0-9a-f]+", instance)
        is not None
    )


def _registrar(stateful: list[Workload], deployments: list[Workload], server: Server) -> str:
    apart = _count(deployments, server, labels.REGISTRAR)
    if apart != _ABSENT:
        return apart
    beside = _count(stateful, server, labels.SPIRE_SERVER)
    return beside if beside == _ABSENT else "beside"


def _count(workloads: list[Workload], server: Server, name: str) -> str:
    for each in workloads:
        found = each.metadata.labels
        if found.get(labels.SERVER) == server.name and found.get(labels.NAME) == name:
            return f"{each.ready}/{each.wanted}"
    return _ABSENT


def _word(conditions: tuple[Condition, ...]) -> str:
    ready = find_condition(conditions, "Ready")
    if ready is None:
        return "pending"
    return "ready" if ready.status == "True" else f"not ready ({ready.reason})"


def _relation(conditions: tuple[Condition, ...]) -> str:
    """How a relationship is, and since when its bundle is fresh, or is not."""
    fresh = find_condition(conditions, "BundleFresh")
    if fresh is None:
        return _word(conditions)
    word = "fresh" if fresh.status == "True" else f"not fresh ({fresh.reason})"
    return f"{_word(conditions)}, {word} since {fresh.last_transition_time}"


def _is_true(conditions: tuple[Condition, ...]) -> bool:
    ready = find_condition(conditions, "Ready")
    return ready is not None and ready.status == "True"
