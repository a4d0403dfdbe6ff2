"""Whether an agent on a Pod's node would give the Pod an entry: the last step before the SVID.

A SPIRE server gives an agent the entries that hang on the agent's own ID, or on an alias: the
SPIFFE ID of an entry that the agent gets itself, for its node's selectors; and those that hang on
the SPIFFE ID of any entry that it is given so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        self._by_node: dict[str, list[NodeAgent]] = {}
        for agent in self._agents.values():
            self._by_node.setdefault(agent.node, []).append(agent)
        self._entries: dict[str, list[Entry]] = {}
        for entry in entries:
            self.add(entry)
        # Many entries hang on one parent.
        self._having: dict[str, dict[str, Serving]] = {}
        self._somewhere: dict[str, Serving] = {}

    def add(self, entry: Entry) -> None:
        """One entry more, before anything is asked."""
        self._entries.setdefault(entry.key.spiffe_id, []).append(entry)

    def serving(self, parent_id: str, node: str, *, now: float) -> Serving:
        """Who serves entries that hang on that parent to the Pods of a node."""
        on_node = self._by_node.get(node, []) if node else []
        # Whose attestor does not tell the node may be on any.
        near = [*on_node, *self._by_node.get("", ())]
        having = self._who_has(parent_id)
        found = [having[agent.spiffe_id] for agent in near if agent.spiffe_id in having]
        served, blocked = self._first(found, now)
        if served is not None:
            return served
        fit = [agent for agent in on_node if _blocked(agent, now) is None]
        if fit:
            # A Node that was made anew has its old agent too, which is over: that is no cause.
            return Serving(unmet=self._astray(parent_id, node, fit))
        all_blocked = [unmet for agent in on_node if (unmet := _blocked(agent, now)) is not None]
        for unmet in blocked or all_blocked:
            return Serving(unmet=unmet)
        wanted = "one that the SPIRE server has attested"
        return Serving(unmet=Unmet(NO_AGENT, f"the agent of node {node}", wanted))

    def somewhere(self, parent_id: str, *, now: float) -> Serving:
        """Who serves entries that hang on that parent, on whatever node."""
        known = self._somewhere.get(parent_id)
        if known is None:
            known = self._somewhere[parent_id] = self._served_somewhere(parent_id, now)
        return known

    def _served_somewhere(self, parent_id: str, now: float) -> Serving:
        served, blocked = self._first(self._who_has(parent_id).values(), now)
        if served is not None:
            return served
        if blocked:
            return Serving(unmet=blocked[0])
        wanted = "that of an agent, or of an entry that an agent gets"
        return Serving(unmet=Unmet(NO_PARENT, "the entry's parent", wanted, parent_id))

    def _first(self, found: Iterable[Serving], now: float) -> tuple[Serving | None, list[Unmet]]:
        """The first of them that the server gives anything, and what keeps the others from it."""
        blocked = list[Unmet]()
        for serving in found:
            unmet = _blocked(self._agents[serving.agent], now)
            if unmet is None:
                return serving, blocked
            blocked.append(unmet)
        return None, blocked

    def _who_has(self, parent_id: str) -> dict[str, Serving]:
        """The agents that have that parent, by their IDs, and how."""
        if parent_id not in self._having:
            found: dict[str, Serving] = {}
            if parent_id in self._agents:
                found[parent_id] = Serving(parent_id)
            for first, last in self._chains(parent_id):
                for agent in self._given(last):
                    found.setdefault(agent.spiffe_id, Serving(agent.spiffe_id, first))
            self._having[parent_id] = found
        return self._having[parent_id]

    def _given(self, entry: Entry) -> Iterable[NodeAgent]:
        """The agents that an entry is for, or that it hangs on."""
        if _is_for_agents(entry):
            wanted = entry.key.selectors
            return [a for a in self._agents.values() if a.selectors.issuperset(wanted)]
        agent = self._agents.get(entry.key.parent_id)
        return [] if agent is None else [agent]

    def _chains(self, parent_id: str) -> Iterator[tuple[Entry, Entry]]:
        """Each entry that may give an agent that ID in the end.

        With the entry that has the very ID before it, which is often the same. The server follows
        parents through any number of entries.
        """
        seen = {parent_id}
        waiting = [(entry, entry) for entry in self._entries.get(parent_id, ())]
        for first, last in waiting:
            yield first, last
            above = last.key.parent_id
            if above not in seen and not _is_for_agents(last):
                seen.add(above)
                waiting += [(first, entry) for entry in self._entries.get(above, ())]

    def _astray(self, parent_id: str, node: str, on_node: Sequence[NodeAgent]) -> Unmet:
        """Why no agent of the node has that parent."""
        has = on_node[0].selectors
        for _, alias in self._chains(parent_id):
            if not _is_for_agents(alias):
                continue
            lacking = next(one for one in alias.key.selectors if one not in has)
            kind = lacking.value.partition(":")[0]
            found = sorted(value for _, value in has if value.startswith(f"{kind}:"))
            field = f"the selector {lacking.type}:{kind} of the agent of node {node}"
            return Unmet(PARENT_ELSEWHERE, field, repr(lacking.value), next(iter(found), None))
        ids = " or ".join(repr(agent.spiffe_id) for agent in on_node)
        reason = PARENT_ELSEWHERE if self._who_has(parent_id) else NO_PARENT
        return Unmet(reason, "the entry's parent", f"{ids}, the agent of node {node}", parent_id)


def _is_for_agents(entry: Entry) -> bool:
    """Whether an entry is for agents, by selectors of their nodes: it hangs on the server."""
    return entry.key.parent_id.endswith("/spire/server")


def _blocked(agent: NodeAgent, now: float) -> Unmet | None:
    """Why the server gives the agent nothing."""
    field = f"the agent {agent.spiffe_id}"
    if agent.is_banned:
        return Unmet(AGENT_BANNED, field, "one that is not banned", "banned")
    if agent.expires_at and agent.expires_at <= now:
        ended = datetime.fromtimestamp(agent.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Unmet(AGENT_EXPIRED, field, "one whose SVID is valid", f"expired at {ended}")
    return None
