"""The real SPIRE server and agent as fixtures."""

import os
from collections.abc import Iterator

import pytest

from hack.spire import RealAgent, RealServer, ServerOptions

DELEGATE = "/delegate"
"""The path of the SPIFFE ID that these tests have at `real_spire_agent`."""

ADMIN = "/admin"
"""The path of a SPIFFE ID that may call `real_spire_server` over TCP, by its configuration."""


@pytest.fixture(scope="session")
def real_spire_server() -> Iterator[RealServer]:
    """A running server for example.org, one for each test process.

    Tests share it, so each takes away the entries, bundles and relationships that it made; one
    that stops the server starts it again.
    """
    options = ServerOptions(admin_ids=(f"spiffe://example.org{ADMIN}",), federation=True)
    with RealServer(options) as server:
        yield server


@pytest.fixture(scope="session")
def real_spire_agent(real_spire_server: RealServer) -> Iterator[RealAgent]:
    """A running agent of that server, where whoever runs the tests is `DELEGATE`."""
    server = real_spire_server
    delegate = f"spiffe://{server.trust_domain}{DELEGATE}"
    with RealAgent(server, authorized_delegates=(delegate,)) as agent:
        server.ask(
            *("entry", "create", "-parentID", agent.id, "-spiffeID", delegate),
            *("-selector", f"unix:uid:{os.getuid()}"),
        )
        agent.wait_for_identity(delegate)
        yield agent
