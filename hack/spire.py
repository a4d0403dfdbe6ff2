"""A real SPIRE server and real agents on loopback, for one test or one session.

As a script it says where the binaries are, or runs a server with an agent until Ctrl-C. As a
module it gives tests `RealServer` and `RealAgent`. What is said to be there is there when a call
returns: a server answers its health check, an agent is attested.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack import tool_build  # noqa: E402 - needs the line above
from hack.compilers import ToolError  # noqa: E402
from hack.processes import ServerError, free_port  # noqa: E402
from hack.spire_program import Program  # noqa: E402

SYNC, SHIPPED_SYNC = "500ms", "5s"
"""How often a server reads its entries anew for its agents, and agents ask; and SPIRE's own."""

SERVER, AGENT = "spire-server", "spire-agent"


@dataclasses.dataclass(frozen=True, slots=True)
class Upstream:
    """The server whose CA signs that of a nested one: where it listens, and an agent of its own.

    The nested server is a workload of that agent, by an entry with ``downstream``.
    """

    port: int
    workload_api: Path


@dataclasses.dataclass(frozen=True, slots=True)
class ServerOptions:
    """What can be chosen of a server; TTLs are in Go's notation, empty for SPIRE's own.

    ``keys_on_disk`` lets the CA outlive a restart, which else makes a new one.
    ``federation`` serves the bundle, in the profile https_spiffe.
    ``admin_ids`` may call it over TCP besides those with an admin entry.
    ``database`` is the type and the connection string of another database than SQLite.
    ``as_shipped`` leaves the log's level and how often it reads its entries as operators have them,
    which is what a measurement wants.
    """

    trust_domain: str = "example.org"
    keys_on_disk: bool = True
    federation: bool = False
    upstream: Upstream | None = None
    ca_ttl: str = ""
    x509_svid_ttl: str = ""
    jwt_svid_ttl: str = ""
    jwt_issuer: str = ""
    admin_ids: tuple[str, ...] = ()
    database: tuple[str, str] | None = None
    as_shipped: bool = False


class RealServer(Program):
    """A SPIRE server, by default with SQLite; see `Program` for how it is used."""

    def __init__(self, options: ServerOptions | None = None, folder: Path | None = None) -> None:
        super().__init__(SERVER, folder)
        self.options = options or ServerOptions()
        self.port = 0
        self._bundle_port = 0

    @property
    def trust_domain(self) -> str:
        """Its trust domain's name."""
        return self.options.trust_domain

    @property
    def database_file(self) -> Path:
        """Where SQLite keeps its entries."""
        return self.folder / "datastore.sqlite3"

    @property
    def socket_path(self) -> Path:
        """Its private API, where nobody is asked who they are."""
        return self.folder / "api.sock"

    @property
    def address(self) -> str:
        """Its API for agents and administrators, ``host:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def bundle_url(self) -> str:
        """Where it serves its bundle, with ``federation``."""
        return f"https://127.0.0.1:{self._bundle_port}"

    def start(self) -> None:
        """Start it, or start it again at the same addresses with the same data."""
        if self.port:
            self.launch(self._configuration(), self.socket_path)
            return
        for attempt in range(3):
            self.port, self._bundle_port = free_port(), free_port()
            try:
                self.launch(self._configuration(), self.socket_path)
            except ServerError as error:
                # Somebody may have taken the port between our look and the server's.
                if attempt == 2 or "address already in use" not in str(error):
                    raise
            else:
                return

    def ask(self, *command: str) -> str:
        """Return what a command of SPIRE's own client says of this server."""
        return self.run(*command, "-socketPath", str(self.socket_path))

    def bundle(self) -> str:
        """Return the certificates of its CA, in PEM."""
        return self.ask("bundle", "show", "-format", "pem")

    def join_token(self) -> str:
        """Return a token by which one agent joins: its ID is that of `agent_id`."""
        return str(json.loads(self.ask("token", "generate", "-output", "json"))["value"])

    def _configuration(self) -> Mapping[str, object]:
        options = self.options
        server: dict[str, object] = {
            "trust_domain": options.trust_domain,
            "bind_address": "127.0.0.1",
            "bind_port": self.port,
            "socket_path": str(self.socket_path),
            "data_dir": str(self.folder),
            "log_level": "INFO" if options.as_shipped else "DEBUG",
            # Several agents join from one address here.
            "ratelimit": {"attestation": False},
            "experimental": {"cache_reload_interval": SHIPPED_SYNC if options.as_shipped else SYNC},
        }
        chosen = {
            "ca_ttl": options.ca_ttl,
            "default_x509_svid_ttl": options.x509_svid_ttl,
            "default_jwt_svid_ttl": options.jwt_svid_ttl,
            "jwt_issuer": options.jwt_issuer,
            "admin_ids": list(options.admin_ids),
        }
        server |= {name: value for name, value in chosen.items() if value}
        if options.federation:
            endpoint = {"address": "127.0.0.1", "port": self._bundle_port}
            server["federation"] = {"bundle_endpoint": endpoint}
        kind, connection = options.database or ("sqlite3", str(self.database_file))
        plugins: dict[str, object] = {
            "DataStore": _plugin("sql", database_type=kind, connection_string=connection),
            "NodeAttestor": _plugin("join_token"),
            "KeyManager": _plugin("disk", keys_path=str(self.folder / "keys.json"))
            if options.keys_on_disk
            else _plugin("memory"),
        }
        if options.upstream is not None:
            plugins["UpstreamAuthority"] = _plugin(
                "spire",
                server_address="127.0.0.1",
                server_port=str(options.upstream.port),
                workload_api_socket=str(options.upstream.workload_api),
            )
        return {"server": server, "plugins": plugins}


class RealAgent(Program):
    """A SPIRE agent that joins a server by a token and knows workloads by their Unix user.

    Its ID is `id`: entries have it as their parent. Whose entry gives one of the
    `authorized_delegates` may ask on the admin socket for the SVIDs of others. It keeps its key on
    disk and so remains who it is over a restart.
    """

    def __init__(
        self,
        server: RealServer,
        *,
        authorized_delegates: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        super().__init__(AGENT, folder)
        self.server = server
        self._delegates = tuple(authorized_delegates)
        self._token = server.join_token()
        # SPIRE wants the admin socket neither beside nor below the Workload API's.
        for name in ("public", "admin"):
            (self.folder / name).mkdir(exist_ok=True)

    @property
    def id_path(self) -> str:
        """The path of its SPIFFE ID."""
        return f"/spire/agent/join_token/{self._token}"

    @property
    def id(self) -> str:
        """Its SPIFFE ID."""
        return f"spiffe://{self.server.trust_domain}{self.id_path}"

    @property
    def workload_api(self) -> Path:
        """The socket of its Workload API."""
        return self.folder / "public" / "api.sock"

    @property
    def admin_socket(self) -> Path:
        """The socket of its Delegated Identity API."""
        return self.folder / "admin" / "admin.sock"

    def start(self) -> None:
        """Start it, or start it again as the agent that it was."""
        bundle = self.folder / "bootstrap.pem"
        bundle.write_text(self.server.bundle(), encoding="utf-8")
        agent: dict[str, object] = {
            "trust_domain": self.server.trust_domain,
            "server_address": "127.0.0.1",
            "server_port": self.server.port,
            "trust_bundle_path": str(bundle),
            "join_token": self._token,
            "socket_path": str(self.workload_api),
            "admin_socket_path": str(self.admin_socket),
            "data_dir": str(self.folder / "data"),
            "log_level": "DEBUG",
            "authorized_delegates": list(self._delegates),
            "experimental": {"sync_interval": SYNC},
        }
        plugins = {
            "NodeAttestor": _plugin("join_token"),
            "KeyManager": _plugin("disk", directory=str(self.folder / "data")),
            "WorkloadAttestor": _plugin("unix"),
        }
        (self.folder / "data").mkdir(exist_ok=True)
        self.launch({"agent": agent, "plugins": plugins}, self.workload_api)

    def wait_for_identity(self, spiffe_id: str) -> None:
        """Return once the agent gives whoever runs this that SPIFFE ID.

        Raises:
            ServerError: it does not in time.

        """
        self.wait_until(lambda: f'"{spiffe_id}"' in self._fetched())

    def _fetched(self) -> str:
        where = ("-socketPath", str(self.workload_api))
        try:
            return self.run("api", "fetch", "x509", *where, "-output", "json")
        except ServerError:
            return ""  # nobody yet


def _plugin(name: str, **data: str) -> dict[str, object]:
    return {name: {"plugin_data": data}}


def _say(line: str) -> None:
    print(line, flush=True)


def _run_until_interrupted(options: ServerOptions, folder: Path | None) -> None:
    # A plain "kill" ends the run as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    delegate = f"spiffe://{options.trust_domain}/delegate"
    try:
        with (
            RealServer(options, folder / "server" if folder else None) as server,
            RealAgent(
                server,
                authorized_delegates=(delegate,),
                folder=folder / "agent" if folder else None,
            ) as agent,
        ):
            entry = ("-parentID", agent.id, "-spiffeID", delegate)
            server.ask("entry", "create", *entry, "-selector", f"unix:uid:{os.getuid()}")
            _say(f"SPIRE_SERVER_SOCKET={server.socket_path}")
            _say(f"SPIRE_AGENT_ADMIN_SOCKET={agent.admin_socket}")
            _say(f"SPIFFE_ENDPOINT_SOCKET=unix://{agent.workload_api}")
            _say(f"server for agents and administrators: {server.address}")
            _say(f"agent: {agent.id}, where you are {delegate}, which it lets ask for others")
            _say(f"logs: {server.log} {agent.log}")
            _say("Ctrl-C stops both.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except KeyboardInterrupt:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/spire.py", description="A real SPIRE server and agent on loopback."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("path", help="print the folder of the binaries; fail if not built")
    run = commands.add_parser("run", help="build if need be, and run both until Ctrl-C")
    run.add_argument("--trust-domain", default="example.org")
    run.add_argument(
        "--dir", type=Path, help="keep data and logs in this new folder (default: a temporary one)"
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "path":
            _say(str(tool_build.required(tool_build.SPIRE)))
        else:
            tool_build.build(_say, tool_build.SPIRE)
            _run_until_interrupted(ServerOptions(trust_domain=chosen.trust_domain), chosen.dir)
    except (ToolError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
