"""The images that hold a few programs only: pause, busybox and SPIRE's.

They stand in for the published ones, under the names that Pods ask for, and start in the same way.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hack import envoy, tool_build
from hack.compilers import ToolError
from hack.node import debian, elf
from hack.node.archives import Recipe
from hack.node.ociarchive import Image, Layer, description_digest, write

CONFIG = Path(__file__).resolve().parents[2] / "config"

PAUSE = "docker.io/library/pause:node"
BUSYBOX = "docker.io/library/busybox:1.37"

_SAMPLE_PAUSE = "registry.k8s.io/pause"
_SPIRE = "ghcr.io/spiffe"
_ENVOY = "docker.io/envoyproxy/envoy"
# The first process of a sandbox waits for ever, takes the processes that lost their parents, and
# ends when it is told to. A plain `sleep` would ignore SIGTERM, as the first process of its
# namespace.
_WAIT = "trap 'exit 0' TERM INT; sleep infinity & wait"
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def recipes(config: Path = CONFIG) -> tuple[Recipe, ...]:
    """Return how the small images are made; tags that the manifests ask for are names too.

    Raises:
        ToolError: a program for one of them is missing.

    """
    busybox = debian.busybox()
    if busybox is None:
        raise ToolError("no static busybox here: install the Debian package busybox-static")
    return (
        _pause(busybox, config),
        _busybox(busybox),
        _spire(busybox, config, "spire-server", "1000:1000", ("run",)),
        # Root, as published: its socket lies in a folder of the host.
        _spire(busybox, config, "spire-agent", "0:0", ("run",)),
        _spire(busybox, config, "oidc-discovery-provider", "1000:1000", ()),
        _envoy(busybox),
    )


def tags_in(config: Path, repository: str) -> list[str]:
    """Return the full names under which the manifests ask for an image."""
    asked = re.compile(rf"^[\s-]*image:\s*[\"']?({re.escape(repository)}:[\w.-]+)", re.MULTILINE)
    found: set[str] = set()
    for path in config.glob("**/*.yaml"):
        found.update(asked.findall(path.read_text()))
    return sorted(found)


def _pause(busybox: Path, config: Path) -> Recipe:
    image = Image(
        (PAUSE, *tags_in(config, _SAMPLE_PAUSE)),
        entrypoint=("/bin/sh", "-c", _WAIT),
        environment={"PATH": "/bin"},
        user="65535:65535",
    )
    return _recipe("pause", image, _with_shell(busybox, ("sh", "sleep")))


def _busybox(busybox: Path) -> Recipe:
    listed = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True)
    layer = _with_shell(busybox, listed.stdout.split())
    layer.link("/usr/bin/env", "/bin/env")
    image = Image((BUSYBOX,), command=("sh",), environment={"PATH": "/bin:/usr/bin"})
    return _recipe("busybox", image, layer)


def _spire(
    busybox: Path, config: Path, program: str, user: str, arguments: tuple[str, ...]
) -> Recipe:
    binary = tool_build.required(tool_build.SPIRE) / program
    version = tool_build.SPIRE.version().removeprefix("v")
    repository = f"{_SPIRE}/{program}"
    owner = int(user.partition(":")[0])
    layer = _with_shell(busybox, ("sh", "cat", "ls", "sleep"))
    layer.file("/etc/ssl/certs/ca-certificates.crt", debian.CA_BUNDLE)
    layer.file(f"/opt/spire/bin/{program}", binary, 0o755)
    role = program.removeprefix("spire-")
    if role != program:
        # Folders that SPIRE's own image gives its user, so that defaults work without volumes.
        shared = {"server": "private", "agent": "public"}[role]
        for path in (f"/etc/spire/{role}", f"/run/spire/{role}", f"/run/spire/{role}/{shared}"):
            layer.folder(path, owner=owner)
        for path in (f"/tmp/spire-{role}", f"/tmp/spire-{role}/{shared}"):  # noqa: S108 - not here
            layer.folder(path, owner=owner)
        layer.folder(f"/var/lib/spire/{role}", owner=owner)
    for path in elf.libraries(binary):
        layer.file(path, Path(path), 0o755)
    image = Image(
        tuple(dict.fromkeys((f"{repository}:{version}", *tags_in(config, repository)))),
        entrypoint=(f"/opt/spire/bin/{program}", *arguments),
        environment={"PATH": "/opt/spire/bin:/bin"},
        user=user,
        folder="/opt/spire",
    )
    return _recipe(program, image, layer)


def _envoy(busybox: Path) -> Recipe:
    binary = envoy.required()
    layer = _with_shell(busybox, ("sh", "cat", "ls", "sleep"))
    layer.file("/etc/ssl/certs/ca-certificates.crt", debian.CA_BUNDLE)
    layer.file("/usr/local/bin/envoy", binary, 0o755)
    for path in elf.libraries(binary):
        layer.file(path, Path(path), 0o755)
    image = Image(
        (f"{_ENVOY}:v{envoy.version()}",),
        entrypoint=("/usr/local/bin/envoy",),
        environment={"PATH": "/usr/local/bin:/bin"},
        user="101:101",
    )
    return _recipe("envoy", image, layer)


def _with_shell(busybox: Path, applets: Sequence[str]) -> Layer:
    layer = Layer()
    layer.file("/bin/busybox", busybox, 0o755)
    for applet in applets:
        if applet != "busybox":
            layer.link(f"/bin/{applet}", "busybox")
    layer.file("/etc/passwd", _PASSWD)
    layer.file("/etc/group", _GROUP)
    # Without it, the resolvers of C and Go do not agree on where names are looked up.
    layer.file("/etc/nsswitch.conf", b"hosts: files dns\n")
    layer.folder("/root", 0o700)
    layer.folder("/tmp", 0o1777)  # noqa: S108 - a path in the image
    return layer


def _recipe(title: str, image: Image, layer: Layer) -> Recipe:
    digest = description_digest(image, layer.digest())
    return Recipe(title, digest, lambda archive: write(archive, image, layer.fill))
