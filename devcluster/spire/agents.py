"""The part of the Agent API that lists agents, over the store."""

from api.proto import agent_pb2, agent_pb2_grpc
from devcluster.spire.federation import page_of
from devcluster.spire.masks import AGENT_FIELDS, fields_of, masked
from devcluster.spire.service import ServicerContext, sent
from devcluster.spire.state import EntryState


class AgentService(agent_pb2_grpc.AgentServicer):
    """Lists the agents that somebody put into the store: nobody is attested here."""

    def __init__(self, state: EntryState) -> None:
        self._state = state

    async def ListAgents(
        self, request: agent_pb2.ListAgentsRequest, context: ServicerContext
    ) -> agent_pb2.ListAgentsResponse:
        """A page of the agents."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), AGENT_FIELDS)
        page, token = page_of(self._state.agents, request.page_size, request.page_token)
        return agent_pb2.ListAgentsResponse(
            agents=[masked(agent, shown, AGENT_FIELDS) for agent in page], next_page_token=token
        )
