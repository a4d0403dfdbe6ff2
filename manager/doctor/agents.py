"""The attested agents: of our cluster, one on each Node, alive."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from manager.doctor.finding import Finding, error, ok, some, warning
from manager.doctor.world import World
from manager.output import counted
from registrar.spire.agents import Agent

CLUSTER, NODES, ALIVE = "cluster-name", "agents-and-nodes", "agents-alive"


async def cluster_name(world: World) -> list[Finding]:
    """Whether agents of the cluster's name are there: entries have them as parents."""
    ours = world.settings.cluster
    seen = Counter(agent.psat[0] for agent in await world.agents() if agent.psat is not None)
    if ours in seen:
        words = f"{counted(seen[ours], 'agent')} of the cluster {ours!r} attested by k8s_psat"
        return [ok(CLUSTER, words)]
    if not seen:
        return [
            warning(
                CLUSTER,
                "no agent is attested by k8s_psat",
                meaning="the parents of Pods' entries are agents that k8s_psat attested, unless a "
                "template says otherwise: nobody gets what they are for",
                remedy="is an agent running on each Node, and attested? spire-server agent list",
            )
        ]
    return [
        error(
            CLUSTER,
            f"no agent of the cluster {ours!r} is attested, but of {some(sorted(seen))}",
            meaning="the parents of our entries are agents that do not exist, so no Pod gets its "
            "identity",
            remedy="write one name in all three places: cluster (clusterName) here, cluster of "
            "the agents' k8s_psat, clusters of the server's",
            runbook="a-workload-has-no-identity",
        )
    ]


async def nodes(world: World) -> list[Finding]:
    """Nodes without an agent, agents without a Node."""
    agents = {
        agent.psat[1]: agent
        for agent in await world.agents()
        if agent.psat is not None and agent.psat[0] == world.settings.cluster
    }
    known = {node.metadata.uid: node.metadata.name for node in await world.nodes()}
    without = sorted(name for uid, name in known.items() if uid not in agents)
    gone = sorted(uid for uid in agents if uid not in known)
    found = []
    if without:
        found.append(
            warning(
                NODES,
                f"{counted(len(without), 'Node')} of {len(known):,} without an attested agent: "
                f"{some(without)}",
                meaning="Pods on them get no identity, whatever entries there are",
                remedy="does the agent's DaemonSet tolerate these Nodes' taints, and what does "
                "its log say?",
                runbook="a-workload-has-no-identity",
            )
        )
    if gone:
        found.append(
            warning(
                NODES,
                f"{counted(len(gone), 'agent')} of Nodes that are gone: {some(gone)}",
                meaning="whoever has their keys still gets what is below them, until they expire",
                remedy="spire-server agent evict -spiffeID … for each that does not come back",
            )
        )
    if not found:
        found.append(ok(NODES, f"each of {counted(len(known), 'Node')} has an attested agent"))
    return found


async def alive(world: World) -> list[Finding]:
    """Agents that are banned, or whose SVID has ended."""
    agents, now = await world.agents(), datetime.now(UTC).timestamp()
    banned = _ids(agent for agent in agents if agent.is_banned)
    ended = _ids(a for a in agents if not a.is_banned and a.expires_at and a.expires_at < now)
    found = []
    if banned:
        found.append(
            warning(
                ALIVE,
                f"{counted(len(banned), 'agent')} banned: {some(banned)}",
                meaning="the server gives them nothing, so Pods on their Nodes get no identity",
                remedy="spire-server agent evict lets one attest anew, if the ban is over",
            )
        )
    if ended:
        found.append(
            warning(
                ALIVE,
                f"{counted(len(ended), 'agent')} whose SVID has ended: {some(ended)}",
                meaning="they have not renewed it: they do not run, or do not reach the server",
                remedy="look at the agents on those Nodes; evict those of machines that are gone",
            )
        )
    if not found:
        words = f"{counted(len(agents), 'agent')}, none banned and all with a valid SVID"
        found.append(ok(ALIVE, words if agents else "no agents, so none that is banned or expired"))
    return found


def _ids(agents: Iterable[Agent]) -> list[str]:
    return sorted(agent.spiffe_id for agent in agents)
