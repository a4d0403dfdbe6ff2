"""The product's own image: buildah makes it from the Dockerfile, as it stands.

The Dockerfile's base image comes from a registry, which a test may not reach. A stand-in under
the same name does: the Debian release that has the same Python, made by debootstrap from the
mirror that the machine's apt is set up with. It is made once; the product's image again whenever
something that the Dockerfile copies has changed, and buildah keeps the layer with the wheels.
"""

import contextlib
import fnmatch
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hack.compilers import Progress, ToolError
from hack.node import debian, ociarchive, pip_settings
from hack.node.archives import Recipe
from hack.node.buildah import Buildah, run_logged

CHECKOUT = Path(__file__).resolve().parents[2]
PRODUCT = "docker.io/library/spire-registrar:dev"
WORKLOADS = "docker.io/library/spire-workload:dev"
"""The programs to try SVIDs with, a stage of the same Dockerfile."""

RECIPE = "1"
"""Raised when a change of this file gives other images from the same files."""

EPOCH = "315532800"
"""The time of the image and of all files in it, in seconds: 1980, the first year of a wheel."""

_RELEASES = {"python:3.13-slim": "trixie"}
_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv", "tzdata")
_NOT_NEEDED = (
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/lib/apt/lists/*",
    "var/log/*",
    # It forbids pip to install. The published image has a Python that is not Debian's.
    "usr/lib/python3*/EXTERNALLY-MANAGED",
)
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_BASE = "localhost/spire-registrar-base"
_STAGE = "localhost/spire-registrar-stage"
_ANEW = "localhost/spire-registrar-anew:dev"
_IGNORED = ("__pycache__", "*.pyc")
_FROM = re.compile(r"^FROM\s+(\S+)(?:\s+AS\s+(\S+))?\s*$", re.MULTILINE | re.IGNORECASE)
_COPY = re.compile(r"^(?:COPY|ADD)\s+(.+)$", re.MULTILINE | re.IGNORECASE)


def recipe(
    storage: Path, progress: Progress, checkout: Path = CHECKOUT, target: str = ""
) -> Recipe:
    """Return how the product's image is made from a checkout, or that of another stage.

    Raises:
        ToolError: the Dockerfile is not one that we can build here.

    """
    dockerfile = (checkout / "Dockerfile").read_text()
    base = _base_of(dockerfile)
    digest = hashlib.sha256(f"{RECIPE}\n{_base_digest(base)}\n{EPOCH}\n".encode())
    for path in copied(checkout):
        executable = os.access(path, os.X_OK)
        digest.update(f"{path.relative_to(checkout)}\n{executable}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())

    def write(archive: Path) -> None:
        buildah = Buildah(storage)
        _provide_base(buildah, base, archive.parent, progress)
        _build(buildah, checkout, archive, progress, target)

    title = f"spire-{target or 'registrar'}"
    return Recipe(title, digest.hexdigest(), write)


def _base_of(dockerfile: str) -> str:
    stages = [match.groups(default="") for match in _FROM.finditer(dockerfile)]
    bases = sorted({base for base, _ in stages} - {name for _, name in stages})
    if len(bases) != 1 or bases[0] not in _RELEASES:
        raise ToolError(
            f"the Dockerfile starts from {', '.join(bases) or 'nothing'}; "
            f"there are stand-ins for: {', '.join(_RELEASES)}"
        )
    return bases[0]


def copied(checkout: Path = CHECKOUT) -> Iterator[Path]:
    """Yield the files that decide the image: the Dockerfile and what it copies from here."""
    dockerfile = (checkout / "Dockerfile").read_text()
    yield checkout / "Dockerfile"
    yield checkout / ".dockerignore"
    for arguments in _COPY.findall(dockerfile.replace("\\\n", " ")):
        words = arguments.split()
        if any(word.startswith("--from=") for word in words):
            continue
        for name in [word for word in words if not word.startswith("--")][:-1]:
            for path in sorted(checkout.glob(name.rstrip("/"))):
                yield from _files(path)


def _files(path: Path) -> Iterator[Path]:
    if any(fnmatch.fnmatch(path.name, pattern) for pattern in _IGNORED):
        return
    if path.is_dir():
        for below in sorted(path.iterdir()):
            yield from _files(below)
    else:
        yield path


def _base_digest(base: str) -> str:
    parts = [RECIPE, ociarchive.FORMAT, base, _RELEASES[base], _PACKAGES, _NOT_NEEDED]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _provide_base(buildah: Buildah, base: str, work: Path, progress: Progress) -> None:
    """Put the stand-in into buildah's storage under the name that the Dockerfile asks for."""
    name = f"{_BASE}:{_base_digest(base)}"
    if not buildah.has(name):
        started = time.monotonic()
        release = _RELEASES[base]
        progress(f"no stand-in for {base} yet: making it from Debian {release}, about a minute")
        root, archive = work / "root", work / "base.tar"
        _debootstrap(release, root, buildah.log)
        image = ociarchive.Image((name,), command=("python3",), environment={"PATH": _PATH})
        ociarchive.write(archive, image, lambda layer: layer.add(root, arcname="."))
        shutil.rmtree(root)
        buildah.load(archive, name)
        archive.unlink()
        progress(f"stand-in for {base}: made in {time.monotonic() - started:.0f} s")
        buildah.remove_other_tags(name)
    buildah.run("tag", name, f"docker.io/library/{base}")


def _debootstrap(release: str, root: Path, log: Path) -> None:
    """Install a Debian with Python into a folder, without what a container never looks at."""
    machine = platform.freedesktop_os_release()
    mirror = ""
    if machine.get("ID") == "debian":
        mirror = debian.mirror(machine.get("VERSION_CODENAME", ""))
    # What it mounts goes with its mount namespace, also when it is killed. Without a mirror, it
    # takes Debian's own.
    command = ["unshare", "--mount", "--propagation", "private", "debootstrap"]
    command += ["--variant=minbase", f"--include={','.join(_PACKAGES)}", release, str(root)]
    command += [mirror] if mirror else []
    proxy = debian.apt_proxy()
    proxies = {"http_proxy": proxy, "https_proxy": proxy} if proxy else {}
    run_logged(command, log, environment=proxies)
    for pattern in _NOT_NEEDED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")


def build_anew(storage: Path, checkout: Path, archive: Path) -> None:
    """Build the image of a checkout with no layer of an earlier build; the stand-in must be there.

    Raises:
        ToolError: the build failed.

    """
    buildah = Buildah(storage)
    with _command(checkout, "--no-cache") as command:
        buildah.run(*command, "--tag", _ANEW, str(checkout), trusted=True)
    buildah.save(_ANEW, archive)
    buildah.run("rmi", _ANEW)
    buildah.remove_unnamed()


def _build(
    buildah: Buildah, checkout: Path, archive: Path, progress: Progress, target: str
) -> None:
    image, only = (WORKLOADS, ("--target", target)) if target else (PRODUCT, ())
    progress(f"building {image} from the Dockerfile; buildah logs to {buildah.log}")
    with _command(checkout, "--layers") as command:
        # Every stage gets a name, so that its layers stay when those of older builds are removed.
        # The product's own build is the first, and does so for all.
        stages = [] if target else _FROM.finditer((checkout / "Dockerfile").read_text())
        for match in stages:
            stage = match[2]
            if stage is not None:
                name = f"{_STAGE}:{stage}"
                buildah.run(*command, "--target", stage, "--tag", name, str(checkout), trusted=True)
        buildah.run(*command, *only, "--tag", image, str(checkout), trusted=True)
    buildah.save(image, archive)
    buildah.remove_unnamed()


@contextlib.contextmanager
def _command(checkout: Path, layers: str) -> Iterator[list[str]]:
    """Give the build's command, but for the name and the folder of what is built."""
    with tempfile.TemporaryDirectory() as folder:
        # What a build that fails leaves would keep its image from ever being removed.
        command = ["build", "--pull-never", layers, "--force-rm", "--isolation", "chroot"]
        command += ["--network", "host"]
        # The same at every commit, so that layers are kept; make image has the commit's.
        command += ["--timestamp", EPOCH, "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"]
        for source, path in pip_settings.mounts(Path(folder)):
            command += ["--volume", f"{source}:{path}:ro"]
        yield [*command, "--file", str(checkout / "Dockerfile")]
