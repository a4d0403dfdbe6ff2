"""The client of the Agent API: the agents that the server has attested. It only reads."""

from dataclasses import dataclass

from api.proto import agent_pb2, agent_pb2_grpc, types_pb2
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import SCHEME
from registrar.spire.calls import (
    TIMEOUT_SECONDS,
    Caller,
    Channels,
    Pages,
    Unobserved,
    readable,
)

PAGE_SIZE = 500
_PSAT = "/spire/agent/k8s_psat/"


@dataclass(frozen=True, slots=True)
class Agent:
    """One attested agent. ``expires_at`` is the end of its SVID, in Unix seconds."""

    spiffe_id: str
    attestation_type: str
    expires_at: int
    is_banned: bool
    selectors: frozenset[Selector] = frozenset()
    """What it attested of its node."""

    @property
    def psat(self) -> tuple[str, str] | None:
        """Cluster and Node uid of one that was attested by k8s_psat with SPIRE's own agent ID."""
        _, found, rest = self.spiffe_id.partition(_PSAT)
        cluster, separator, uid = rest.rpartition("/")
        return (cluster, uid) if found and separator else None


class AgentClient:
    """Calls the Agent API. Every method raises SpireError."""

    def __init__(self, channels: Channels, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._caller = Caller(channels, observer=Unobserved(), timeout_seconds=timeout_seconds)

    async def list(self) -> list[Agent]:
        """All agents."""
        found: list[Agent] = []
        pages = Pages()
        mask = types_pb2.AgentMask(
            attestation_type=True, x509svid_expires_at=True, banned=True, selectors=True
        )
        while True:
            request = agent_pb2.ListAgentsRequest(
                output_mask=mask, page_size=PAGE_SIZE, page_token=pages.token
            )
            async with self._caller.call("list-agents") as channel:
                response = readable(
                    await agent_pb2_grpc.AgentStub(channel).ListAgents(
                        request, timeout=self._caller.timeout_seconds
                    )
                )
            found += map(_agent, response.agents)
            if not pages.turn(response.next_page_token):
                return found


def _agent(message: types_pb2.Agent) -> Agent:
    return Agent(
        spiffe_id=f"{SCHEME}{message.id.trust_domain}{message.id.path}",
        attestation_type=message.attestation_type,
        expires_at=message.x509svid_expires_at,
        is_banned=message.banned,
        selectors=frozenset(Selector(one.type, one.value) for one in message.selectors),
    )
