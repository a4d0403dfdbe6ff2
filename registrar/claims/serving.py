"""Whether an agent on a Pod's node would give the Pod an entry: the last step before the SVID.

A SPIRE server gives an agent the entries that hang on the agent's own ID, or on an alias: the
SPIFFE ID of an entry that the agent gets itself, for its node's selectors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from registrar.claims.unmet import (
    AGENT_BANNED,
    AGENT_EXPIRED,
    NO_AGENT,
    NO_PARENT,
    PARENT_ELSEWHERE,
    Unmet,
)
from registrar.identity.entry import Entry
from registrar.identity.selectors import Selector

_NODE_NAME = "agent_node_name:"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAgent:
    """An agent that the server has attested. ``expires_at`` is the end of its SVID, Unix time."""

    spiffe_id: str
    selectors: frozenset[Selector] = frozenset()
    expires_at: int = 0
    is_banned: bool = False

    @property
    def node(self) -> str:
        """The node that it attested from; empty for one whose attestor does not tell."""
        found = (value for _, value in self.selectors if value.startswith(_NODE_NAME))
        return next(found, "").removeprefix(_NODE_NAME)


@dataclass(frozen=True, slots=True)
class Serving:
    """Who serves an entry on a node: the agent's ID, or the first thing that keeps it from it.

    ``alias`` is the entry by which the agent has the parent, None where it is the parent itself.
    """

    agent: str = ""
    alias: Entry | None = None
    unmet: Unmet | None = None


class Agents:
    """The agents of a server, and the entries that may give them other IDs."""

    def __init__(self, agents: Iterable[NodeAgent], entries: Iterable[Entry]) -> None:
        self._agents: Mapping[str, NodeAgent] = {agent.spiffe_id: agent for agent in agents}
        self._aliases: dict[str, list[Entry]] = {}
        for entry in entries:
            # Only what hangs on the server itself is for agents.
            if entry.key.parent_id.endswith("/spire/server"):
                self._aliases.setdefault(entry.key.spiffe_id, []).append(entry)

    def serving(self, parent_id: str, node: str, *, now: float) -> Serving:
        """Who serves entries that hang on that parent to the Pods of a node."""
        # Whose attestor does not tell the node may be on any.
        near = [agent for agent in self._agents.values() if agent.node in {node, ""}]
        found = [serving for agent in near if (serving := self._gives(agent, parent_id))]
        blocked = [_blocked(self._agents[serving.agent], now) for serving in found]
        for serving, unmet in zip(found, blocked, strict=True):
            if unmet is None:
                return serving
        on_node = [agent for agent in near if agent.node]
        for unmet in blocked or [_blocked(agent, now) for agent in on_node]:
            if unmet is not None:
                return Serving(unmet=unmet)
        if not on_node:
            wanted = "one that the SPIRE server has attested"
            return Serving(unmet=Unmet(NO_AGENT, f"the agent of node {node}", wanted))
        return Serving(unmet=self._astray(parent_id, node, on_node))

    def somewhere(self, parent_id: str, *, now: float) -> Serving:
        """Who serves entries that hang on that parent, on whatever node."""
        found = [one for agent in self._agents.values() if (one := self._gives(agent, parent_id))]
        blocked = [_blocked(self._agents[serving.agent], now) for serving in found]
        for serving, unmet in zip(found, blocked, strict=True):
            if unmet is None:
                return serving
        if blocked:
            return Serving(unmet=blocked[0])
        wanted = "that of an agent, or of an entry that an agent gets"
        return Serving(unmet=Unmet(NO_PARENT, "the entry's parent", wanted, parent_id))

    def _gives(self, agent: NodeAgent, parent_id: str) -> Serving | None:
        """How the agent has that parent; None where it has not."""
        if agent.spiffe_id == parent_id:
            return Serving(agent.spiffe_id)
        for alias in self._aliases.get(parent_id, ()):
            if agent.selectors.issuperset(alias.key.selectors):
                return Serving(agent.spiffe_id, alias)
        return None

    def _astray(self, parent_id: str, node: str, on_node: Sequence[NodeAgent]) -> Unmet:
        """Why no agent of the node has that parent."""
        for alias in self._aliases.get(parent_id, ()):
            has = on_node[0].selectors
            lacking = next(one for one in alias.key.selectors if one not in has)
            kind = lacking.value.partition(":")[0]
            found = sorted(value for _, value in has if value.startswith(f"{kind}:"))
            field = f"the selector {lacking.type}:{kind} of the agent of node {node}"
            return Unmet(PARENT_ELSEWHERE, field, repr(lacking.value), next(iter(found), None))
        ids = " or ".join(repr(agent.spiffe_id) for agent in on_node)
        reason = PARENT_ELSEWHERE if parent_id in self._agents else NO_PARENT
        return Unmet(reason, "the entry's parent", f"{ids}, the agent of node {node}", parent_id)


def _blocked(agent: NodeAgent, now: float) -> Unmet | None:
    """Why the server gives the agent nothing."""
    field = f"the agent {agent.spiffe_id}"
    if agent.is_banned:
        return Unmet(AGENT_BANNED, field, "one that is not banned", "banned")
    if agent.expires_at and agent.expires_at <= now:
        ended = datetime.fromtimestamp(agent.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Unmet(AGENT_EXPIRED, field, "one whose SVID is valid", f"expired at {ended}")
    return None
