"""Runs buildah with a storage of our own in the cache, so that the machine's stays as it is."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.compilers import ToolError
from hack.node import debian

# Nothing is pulled from a registry here; without a policy, buildah takes no image at all.
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
# Each command mounts in a namespace of its own: nothing stays mounted, also when it is killed.
_PRIVATE = ["unshare", "--mount", "--propagation", "private"]


class Buildah:
    """A storage with images, below one folder; its log tells what the last commands said."""

    def __init__(self, storage: Path) -> None:
        storage.mkdir(parents=True, exist_ok=True)
        self.log = storage / "buildah.log"
        self._storage = storage
        self._policy = storage / "policy.json"
        self._policy.write_text(_POLICY)
        self._command = self._of(storage, "overlay")
        # Not on every file system, say not on an overlay itself. The other one copies.
        if self._ask("images").returncode != 0:
            self._command = self._of(storage, "vfs")
        self.log.write_text("")

    def run(self, *arguments: str, trusted: bool = False, cwd: Path | None = None) -> None:
        """Run a command; `trusted` ones take images, and need the policy.

        Raises:
            ToolError: it failed.

        """
        policy = ["--signature-policy", str(self._policy)] if trusted else []
        verb, *others = arguments
        run_logged([*self._command, verb, *policy, *others], self.log, cwd=cwd)

    def has(self, name: str) -> bool:
        """Tell whether there is an image with this name."""
        return name in self._names()

    def load(self, archive: Path, name: str) -> None:
        """Take the image of an OCI archive and give it a name.

        Raises:
            ToolError: it can't be read.

        """
        self.run("pull", f"oci-archive:{archive.name}", trusted=True, cwd=archive.parent)
        if not self.has(name):
            raise ToolError(f"buildah gave the image in {archive} another name than {name}")

    def save(self, name: str, archive: Path) -> None:
        """Write an image as an OCI archive.

        Raises:
            ToolError: it can't be written.

        """
        # A path with a colon would be read as a path and a name; this one has none.
        target = f"oci-archive:{archive.name}:{name}"
        self.run("push", name, target, trusted=True, cwd=archive.parent)

    def remove_other_tags(self, name: str) -> None:
        """Remove the images that differ from this one by their tags only."""
        repository = name.rpartition(":")[0]
        for other in self._names():
            if other != name and other.rpartition(":")[0] == repository:
                self.run("rmi", other)

    def remove_unnamed(self) -> None:
        """Remove the images that have no name, and on which none with a name is built."""
        self.run("rmi", "--prune")

    def _names(self) -> list[str]:
        finished = self._ask("images", "--format", "{{.Name}}:{{.Tag}}")
        if finished.returncode != 0:
            raise ToolError(
                f"buildah can't use its storage: {finished.stderr.strip()}\n"
                f"if it could before, delete {self._storage} and repeat"
            )
        return finished.stdout.split()

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *arguments]
        environment = os.environ | {"PATH": debian.search_path()}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    @staticmethod
    def _of(storage: Path, driver: str) -> list[str]:
        roots = ["--root", str(storage / driver), "--runroot", str(storage / f"{driver}-run")]
        return [*_PRIVATE, "buildah", *roots, "--storage-driver", driver]


def run_logged(
    command: list[str],
    log: Path,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a step of a build; what it says goes to the log.

    Raises:
        ToolError: it failed; the message ends with the log's last lines.

    """
    variables = os.environ | {"PATH": debian.search_path()} | dict(environment or {})
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            finished = subprocess.run(
                command,
                cwd=cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise ToolError(f"{command[0]} can't be started: {error}") from error
    if finished.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ToolError(f"{' '.join(command[:8])} … failed, see {log}:\n{tail}")
