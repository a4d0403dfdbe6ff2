"""What explaining reads besides what the registrar reads.

That is a Pod as an agent sees it, the agents of the SPIRE server, and Events. What may not be read
is said, with the right that is missing.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from api.attested import ATTESTED_POD, AttestedPod
from api.codec import DecodeError, decode
from api.core import Event
from api.kinds import EVENT
from api.meta import ObjectKey
from manager.explain.known import Known
from manager.explain.model import Happened
from registrar.claims.claim import Claimant
from registrar.claims.serving import NodeAgent
from registrar.kube.client import KubeClient
from registrar.kube.errors import Forbidden, KubeError
from registrar.spire.agents import Agent, AgentClient
from registrar.spire.errors import PermissionDenied, SpireError

_MOST_EVENTS = 10
_MOST_PAGES = 20
_PAGE = 500


class AgentList(Protocol):
    """Lists the agents; an AgentClient does. Raises SpireError."""

    async def list(self) -> Sequence[Agent]:
        """All agents."""
        ...


class Reading:
    """Reads what is asked for; ``unknown`` grows by what could not be read.

    ``no_pod`` and ``no_agents`` say why the Pod or the agents are not known, which may decide who
    has an identity; they are empty where they are. ``with_events`` False: nobody asks for Events,
    which takes a request for each object. ``agents`` are asked of the SPIRE server by default.
    """

    def __init__(
        self, known: Known, *, with_events: bool = True, agents: AgentList | None = None
    ) -> None:
        self._with_events = with_events
        self._client = None if known.session is None else KubeClient(known.session)
        self._agents = agents or AgentClient(known.connection)
        self.unknown: list[str] = []
        self.no_pod = ""
        self.no_agents = ""

    async def pod(self, key: ObjectKey) -> AttestedPod | None:
        """The Pod; None where there is none, and where it cannot be read."""
        if self._client is None:
            self.no_pod = self._unknown(f"Pod {key}: there is no cluster in this mode")
            return None
        try:
            # Listed, for that is what the registrar's role allows.
            page = await self._client.page(
                ATTESTED_POD,
                limit=1,
                namespace=key.namespace,
                field_selector=f"metadata.name={key.name}",
            )
            found = [decode(item, AttestedPod) for item in page.items]
        except DecodeError as error:
            self.no_pod = self._unknown(f"Pod {key}: it does not decode: {error}")
        except KubeError as error:
            right = f"list on pods in namespace {key.namespace}"
            self.no_pod = self._not_read(f"Pod {key}", error, right)
        else:
            return next((pod for pod in found if pod.metadata.name == key.name), None)
        return None

    def note(self, problem: str) -> None:
        """Say what could not be read."""
        if problem:
            self._unknown(problem)

    async def agents(self) -> list[NodeAgent] | None:
        """The agents that the SPIRE server has attested; None where they cannot be read."""
        try:
            found = await self._agents.list()
        except SpireError as error:
            remedy = "see that the server runs"
            if isinstance(error, PermissionDenied):
                remedy = "ask over the server's own socket, or with an SVID of an admin entry"
            what = "the agents, so that nobody can tell who would serve an entry"
            self.no_agents = self._unknown(f"{what}: {error.message}: {remedy}")
            return None
        return [
            NodeAgent(
                spiffe_id=agent.spiffe_id,
                selectors=agent.selectors,
                expires_at=agent.expires_at,
                is_banned=agent.is_banned,
            )
            for agent in found
        ]

    async def events(self, objects: Iterable[Claimant]) -> list[Happened]:
        """The last Events on those objects, the newest last."""
        found: list[Event] = []
        for named in dict.fromkeys(objects) if self._with_events else ():
            found += await self._events_on(named)
        found.sort(key=_time_of)
        return [_happened(event) for event in found[-_MOST_EVENTS:]]

    async def _events_on(self, named: Claimant) -> Sequence[Event]:
        if self._client is None:
            return ()
        # Events on what has no namespace lie in "default".
        namespace = named.namespace or "default"
        selector = f"involvedObject.kind={named.kind},involvedObject.name={named.name}"
        found: list[Event] = []
        token = ""
        try:
            for _ in range(_MOST_PAGES):
                page = await self._client.page(
                    EVENT,
                    limit=_PAGE,
                    namespace=namespace,
                    field_selector=selector,
                    continue_token=token,
                )
                found += [event for event in _decoded(page.items) if _is_on(event, named)]
                token = page.continue_token
                if not token:
                    break
        except KubeError as error:
            self._not_read(f"Events on {named}", error, f"list on events in namespace {namespace}")
        return found

    def _not_read(self, what: str, error: KubeError, right: str) -> str:
        remedy = f": give the right to {right}" if isinstance(error, Forbidden) else ""
        return self._unknown(f"{what}: {error}{remedy}")

    def _unknown(self, line: str) -> str:
        if line not in self.unknown:
            self.unknown.append(line)
        return line


def _decoded(items: Iterable[bytes]) -> list[Event]:
    found = []
    for item in items:
        try:
            found.append(decode(item, Event))
        except DecodeError:
            continue  # somebody else's, of a shape that nobody foresaw
    return found


def _is_on(event: Event, named: Claimant) -> bool:
    on = event.involved_object
    return (on.kind, on.name) == (named.kind, named.name)


def _time_of(event: Event) -> str:
    return event.last_timestamp or event.metadata.creation_timestamp or ""


def _happened(event: Event) -> Happened:
    regarding = event.involved_object
    on = Claimant(regarding.kind, regarding.namespace, regarding.name)
    return Happened(str(on), _time_of(event), event.type, event.reason, event.message)
