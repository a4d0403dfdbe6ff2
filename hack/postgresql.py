"""A PostgreSQL server on loopback for one run of the benchmark, from Debian's package.

It refuses to run as root: root starts it as the user who owns nothing else of ours.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from hack.compilers import ToolError
from hack.processes import Servers, free_port

START_SECONDS = 60
_USER = "spire"
_DEBIAN = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL here, None if there is none."""
    versions = [path for path in _DEBIAN.glob("*/bin/initdb") if path.parents[1].name.isdigit()]
    if versions:
        return max(versions, key=lambda path: int(path.parents[1].name)).parent
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


class Postgresql:
    """A server with one empty database, in use as a context manager. All calls block."""

    def __init__(self) -> None:
        folder = binaries()
        if folder is None:
            raise ToolError("no PostgreSQL here; on Debian: apt-get install postgresql")
        self._binaries = folder
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._servers = Servers(self._folder)

    @property
    def connection_string(self) -> str:
        """How a client of libpq's notation reaches it."""
        return f"host=127.0.0.1 port={self._port} user={_USER} dbname=postgres sslmode=disable"

    @property
    def psql(self) -> list[str]:
        """Its command line, to which SQL is given line by line."""
        return [str(self._binaries / "psql"), "-XAtq", "-F", "\t", self.connection_string]

    def ask(self, statement: str) -> str:
        """Return what one statement gives."""
        return subprocess.run(
            [*self.psql, "-c", statement], capture_output=True, text=True, check=True
        ).stdout.strip()

    def __enter__(self) -> Self:
        """Start it; it answers when this returns.

        Raises:
            ServerError: it did not come up.

        """
        data, as_user = self._folder / "data", _as_another_user(self._folder)
        subprocess.run(
            [
                *as_user,
                str(self._binaries / "initdb"),
                *("-D", str(data), "-U", _USER, "--auth=trust", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        command = [str(self._binaries / "postgres"), "-D", str(data), "-p", str(self._port)]
        command += ["-h", "127.0.0.1", "-k", str(self._folder)]
        server = self._servers.start("postgresql", [*as_user, *command])
        self._server = server
        server.wait_until(self._answers, START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, without ceremony: nobody needs the data any more."""
        self._servers.stop(self._server, abruptly=False)
        self._servers.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(ready, check=False).returncode == 0


def _as_another_user(folder: Path) -> list[str]:
    """Return what a command begins with so that it does not run as root, whose folder it gets."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ToolError("PostgreSQL does not run as root, and there is no setpriv here")
    user = next((u for name in ("postgres", "nobody") if (u := _user(name))), None)
    if user is None:
        raise ToolError("PostgreSQL does not run as root, and there is no user postgres or nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # The kernel forgets with the user that the server goes when we do: say so again.
    return [setpriv, *who, "--pdeathsig", "KILL", "--"]


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
