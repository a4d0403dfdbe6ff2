"""Whether an agent on the Pod's node would give the Pod an entry."""

import pytest

from registrar.claims.serving import Agents, NodeAgent
from registrar.claims.unmet import (
    AGENT_BANNED,
    AGENT_EXPIRED,
    NO_AGENT,
    NO_PARENT,
    PARENT_ELSEWHERE,
)
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.identity.selectors import Selector

NOW = 1000.0
ID = "spiffe://example.org/spire/agent/k8s_psat/test/"
ALIAS = "spiffe://example.org/node"
CLUSTER = Selector("k8s_psat", "cluster:test")


def agent(node: str, *, expires_at: int = 2000, is_banned: bool = False) -> NodeAgent:
    selectors = {CLUSTER, Selector("k8s_psat", f"agent_node_name:{node}")} if node else set()
    return NodeAgent(
        spiffe_id=f"{ID}{node}",
        selectors=frozenset(selectors),
        expires_at=expires_at,
        is_banned=is_banned,
    )


def alias(*selectors: Selector) -> Entry:
    key = EntryKey.of(ALIAS, "spiffe://example.org/spire/server", selectors)
    return Entry("alias", key, Attributes())


def reason(agents: Agents, parent: str, node: str = "n1") -> str:
    unmet = agents.serving(parent, node, now=NOW).unmet
    assert unmet is not None
    assert unmet.message
    assert unmet.remedy
    return unmet.reason


def test_an_agent_serves_what_hangs_on_its_own_id() -> None:
    serving = Agents([agent("n1"), agent("n2")], ()).serving(f"{ID}n1", "n1", now=NOW)
    assert (serving.agent, serving.alias, serving.unmet) == (f"{ID}n1", None, None)


def test_an_agent_serves_what_hangs_on_an_alias_that_it_gets() -> None:
    serving = Agents([agent("n1")], [alias(CLUSTER)]).serving(ALIAS, "n1", now=NOW)
    assert (serving.agent, serving.alias) == (f"{ID}n1", alias(CLUSTER))


def test_an_agent_whose_node_nobody_tells_may_be_on_any() -> None:
    serving = Agents([agent("")], ()).serving(ID, "n1", now=NOW)
    assert serving.agent == ID


@pytest.mark.parametrize(
    ("agents", "parent", "why"),
    [
        ([agent("n2")], f"{ID}n1", NO_AGENT),
        ([agent("n1", is_banned=True)], f"{ID}n1", AGENT_BANNED),
        ([agent("n1", expires_at=999)], f"{ID}n1", AGENT_EXPIRED),
        ([agent("n1", expires_at=999)], f"{ID}old", AGENT_EXPIRED),
        ([agent("n1"), agent("n2")], f"{ID}n2", PARENT_ELSEWHERE),
        ([agent("n1")], f"{ID}old", NO_PARENT),
    ],
    ids=["no agent", "banned", "expired", "expired and astray", "another node's", "nobody's"],
)
def test_what_keeps_an_agent_from_serving_is_told(
    agents: list[NodeAgent], parent: str, why: str
) -> None:
    assert reason(Agents(agents, ()), parent) == why


def test_a_usable_agent_counts_before_one_that_expired_on_the_same_node() -> None:
    """Of a Node that was made anew both are there for a while."""
    old = NodeAgent(
        spiffe_id=f"{ID}old", selectors=agent("n1").selectors, expires_at=1, is_banned=False
    )
    serving = Agents([old, agent("n1")], ()).serving(f"{ID}n1", "n1", now=NOW)
    assert serving.agent == f"{ID}n1"


def test_the_selector_that_keeps_an_agent_from_an_alias_is_told() -> None:
    other = alias(Selector("k8s_psat", "cluster:other"))
    unmet = Agents([agent("n1")], [other]).serving(ALIAS, "n1", now=NOW).unmet
    assert unmet is not None
    assert (unmet.reason, unmet.wanted, unmet.found) == (
        PARENT_ELSEWHERE,
        "'cluster:other'",
        "cluster:test",
    )


def below(spiffe_id: str, parent_id: str) -> Entry:
    key = EntryKey.of(spiffe_id, parent_id, [Selector("k8s", "sa:x")])
    return Entry(spiffe_id.rpartition("/")[2], key, Attributes())


@pytest.mark.parametrize("top", [ALIAS, f"{ID}n1"], ids=["an alias", "an agent"])
def test_the_server_follows_parents_through_entries(top: str) -> None:
    first, second = below(f"{ALIAS}/first", top), below(f"{ALIAS}/second", f"{ALIAS}/first")
    agents = Agents([agent("n1")], [alias(CLUSTER), first, second])
    serving = agents.serving(f"{ALIAS}/second", "n1", now=NOW)
    assert (serving.agent, serving.alias) == (f"{ID}n1", second)
    assert agents.somewhere(f"{ALIAS}/second", now=NOW) == serving


def test_parents_in_a_circle_lead_to_nobody() -> None:
    one, other = below(f"{ALIAS}/a", f"{ALIAS}/b"), below(f"{ALIAS}/b", f"{ALIAS}/a")
    assert reason(Agents([agent("n1")], [one, other]), f"{ALIAS}/a") == NO_PARENT


def test_an_old_agent_of_a_node_hides_no_cause() -> None:
    """The agent that is there now is well, and has another ID than the entry's parent."""
    old = NodeAgent(spiffe_id=f"{ID}old", selectors=agent("n1").selectors, expires_at=1)
    agents = Agents([old, agent("n1")], ())
    assert reason(agents, f"{ID}prod") == NO_PARENT
    unmet = agents.serving(f"{ID}old", "n1", now=NOW).unmet
    assert unmet is not None
    assert unmet.reason == PARENT_ELSEWHERE
    assert f"{ID}n1" in unmet.wanted
    assert f"{ID}old" not in unmet.wanted
