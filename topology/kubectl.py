"""kubectl, for the two things that it does best: kustomize, and apply on the server's side."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from api.codec import encode
from registrar.errors import InvalidField, printable

FIELD_MANAGER = "spire-registrar-topology"


class KubectlError(Exception):
    """kubectl failed; the message has its words."""


class Kubectl:
    """kubectl for one cluster. Methods raise KubectlError."""

    def __init__(self, program: str, *, kubeconfig: Path | None, context: str) -> None:
        self._program = program
        self._where = [f"--kubeconfig={kubeconfig}"] if kubeconfig is not None else []
        self._where += [f"--context={context}"] if context else []

    async def render(self, folder: Path, components: Sequence[Path] = ()) -> str:
        """What kustomize makes of a folder, with these components."""
        if not components:
            return await self._run(["kustomize", str(folder)])
        made = await asyncio.to_thread(_compose, folder, components)
        try:
            return await self._run(["kustomize", str(made)])
        finally:
            await asyncio.to_thread(shutil.rmtree, made)

    async def apply(self, manifests: str) -> None:
        """Apply all of it; what others have changed in these fields is put right."""
        flags = ["--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}"]
        await self._run(["apply", *self._where, *flags, "--filename=-"], manifests)

    async def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            said = "\n".join(printable(line) for line in err.decode(errors="replace").splitlines())
            raise KubectlError(f"kubectl {arguments[0]}: {said.strip()}")
        return out.decode()


def _compose(folder: Path, components: Sequence[Path]) -> Path:
    """A kustomization of these, in a folder of its own; kustomize wants relative paths."""
    made = Path(tempfile.mkdtemp(prefix="topology-")).resolve()
    document = {
        "resources": [os.path.relpath(folder, made)],
        "components": [os.path.relpath(each, made) for each in components],
    }
    (made / "kustomization.yaml").write_bytes(encode(document))
    return made


def find_kubectl(program: str) -> str:
    """The program's path. Raises InvalidField where it is not there."""
    found = shutil.which(program)
    if found is None:
        raise InvalidField(
            "--kubectl", program, "there is no such program: install kubectl, or name where it is"
        )
    return found
