"""The real SPIRE server and agent that tests start: what they can be made to be and to suffer."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from hack.processes import ServerError
from hack.spire import RealAgent, RealServer, ServerOptions, Upstream

pytestmark = [pytest.mark.real("spire"), pytest.mark.slow]


def entry(server: RealServer, path: str, parent: str, *more: str) -> None:
    """An entry for whoever runs the tests."""
    server.ask(
        *("entry", "create", "-spiffeID", f"spiffe://{server.trust_domain}{path}"),
        *("-parentID", parent, "-selector", f"unix:uid:{os.getuid()}", *more),
    )


def number_of_entries(server: RealServer) -> int:
    return int(json.loads(server.ask("entry", "count", "-output", "json"))["count"])


def test_a_server_keeps_its_data_and_its_ca_over_any_end() -> None:
    with RealServer(ServerOptions(trust_domain="other.test")) as server:
        entry(server, "/web", "spiffe://other.test/node")
        before = server.bundle()
        for end in (server.stop, server.kill):
            end()
            with pytest.raises(ServerError):
                server.ask("entry", "count")
            server.start()
            assert (number_of_entries(server), server.bundle()) == (1, before)


def test_a_server_with_keys_in_memory_has_a_new_ca_after_a_restart() -> None:
    with RealServer(ServerOptions(keys_on_disk=False)) as server:
        before = server.bundle()
        server.restart()
        after = server.bundle()
    assert after != before
    assert before.strip() in after


def test_a_server_that_hangs_goes_on_later() -> None:
    with RealServer() as server:
        server.hang()
        command = ("healthcheck", "-socketPath", str(server.socket_path))
        with pytest.raises(subprocess.TimeoutExpired):
            server.run(*command, timeout_seconds=1)
        server.resume()
        assert "healthy" in server.ask("healthcheck")


def test_an_agent_stays_who_it_is_over_a_restart() -> None:
    with RealServer() as server, RealAgent(server) as agent:
        entry(server, "/web", agent.id)
        agent.wait_for_identity("spiffe://example.org/web")
        agent.restart()
        agent.wait_for_identity("spiffe://example.org/web")


def test_what_a_nested_server_signs_leads_to_the_ca_above() -> None:
    with RealServer() as root, RealAgent(root) as beside:
        entry(root, "/nested", beside.id, "-downstream")
        beside.wait_for_identity("spiffe://example.org/nested")
        options = ServerOptions(upstream=Upstream(root.port, beside.workload_api))
        with RealServer(options) as nested, RealAgent(nested) as agent:
            assert nested.bundle() == root.bundle()
            entry(nested, "/web", agent.id)
            agent.wait_for_identity("spiffe://example.org/web")


def test_what_fails_to_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="trust_domain"),
        RealServer(ServerOptions(trust_domain="not a domain"), tmp_path / "server"),
    ):
        pass
    assert "not a domain" in (tmp_path / "server" / "spire-server.log").read_text()
