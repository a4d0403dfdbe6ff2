"""The client as the test of the workloads module uses it."""

from topology.checks.pairs import Agent
from topology.checks.workloads import Reply, Unreached, Visit
from workloads.client import Refused, Request, ask
from workloads.peers import Expected


async def visit(agent: Agent, visit: Visit) -> Reply:
    """Make the request. Raises Unreached and Unanswered."""
    scheme = "http" if visit.through else "https"
    request = Request(
        f"{scheme}://{visit.host}:{visit.port}{visit.path}",
        servers=None if visit.through else Expected(frozenset({visit.server})),
        shows_certificate=visit.shows_certificate,
        audience=visit.audience,
        through=visit.through,
        method=visit.method,
        headers=visit.headers,
    )
    try:
        answer = await ask(agent, request, seconds=20)
    except Refused as error:
        raise Unreached(str(error)) from error
    return Reply(answer.status, answer.body)
