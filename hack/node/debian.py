"""The Debian packages that the node needs: which are missing, and how to get them.

A package is looked for by the commands and files that it brings, not in dpkg's database: another
distribution, or the user, may have brought them.
"""

import contextlib
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from hack.compilers import Progress, ToolError
from hack.node import elf

CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

_CNI_FOLDERS = "/usr/lib/cni:/opt/cni/bin"
_ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def search_path() -> str:
    """Return PATH with the folder for system commands beside each folder for commands.

    Who became root by `su` has no sbin folder in PATH, and half of what we need is there.
    """
    folders = []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        folders.append(folder)
        if folder.endswith("/bin"):
            folders.append(f"{folder.removesuffix('/bin')}/sbin")
    return os.pathsep.join(dict.fromkeys(folders))


def busybox() -> Path | None:
    """Return a busybox that runs in an empty image, if there is one."""
    for folder in search_path().split(os.pathsep):
        found = shutil.which("busybox", path=folder)
        # What is no program at all, say a script, is none that we could use.
        with contextlib.suppress(ToolError):
            if found is not None and not elf.interpreter(Path(found)):
                return Path(found)
    return None


def cni_folder() -> Path | None:
    """Return the folder of the CNI plugins: of those in $CNI_PATH, else of the usual ones."""
    for folder in os.environ.get("CNI_PATH", _CNI_FOLDERS).split(os.pathsep):
        if all(shutil.which(plugin, path=folder) for plugin in CNI_PLUGINS):
            return Path(folder)
    return None


def missing() -> list[str]:
    """Return the packages that the node needs and this machine lacks."""
    return [need.package for need in _NEEDS if not need.is_met()]


def ensure(progress: Progress, *, install: bool) -> None:
    """Return when all packages are there, after installing what is missing if `install`.

    Raises:
        ToolError: some are missing, and they may not or can't be installed.

    """
    packages = missing()
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    line = " ".join(command)
    if shutil.which("apt-get", path=search_path()) is None:
        raise ToolError(
            f"the node needs what these Debian packages bring: {', '.join(packages)}; "
            "this machine has no apt-get to install them, it is no Debian"
        )
    if not install:
        raise ToolError(
            f"Debian packages are missing; as root, run: {line} (make cluster ARGS=--install does)"
        )
    if os.geteuid() != 0:
        raise ToolError(f"Debian packages are missing, and only root may install them: {line}")
    progress(f"installing {', '.join(packages)}")
    if _apt_get(command):
        # The usual reason: the lists of packages are old, or were removed to save space.
        progress("that failed: again with fresh lists of packages")
        failure = _apt_get(["apt-get", "update"]) or _apt_get(command)
        if failure:
            raise ToolError(f"{line} failed:\n{failure}")
    still = missing()
    if still:
        raise ToolError(f"{line} succeeded, but what these bring is not here: {', '.join(still)}")


def mirror(release: str) -> str:
    """Return the mirror of Debian's archive that apt is set up with, empty if none is.

    ``release`` is the code name of the machine's own Debian. Apt itself reads its settings, so
    that all of its formats are understood.
    """
    # What apt has downloaded says that it is Debian's. Without downloaded lists, the name must do.
    for options, origin in (([], "$(ORIGIN)"), (["--no-release-info"], "Debian")):
        form = f"{origin} $(RELEASE) $(COMPONENT) $(REPO_URI)"
        command = ["apt-get", "indextargets", *options, "--format", form, "Created-By: Packages"]
        for line in _lines(command):
            found = line.split(" ")
            if found[:3] == ["Debian", release, "main"]:
                return found[3]
    return ""


def apt_proxy() -> str:
    """Return the proxy that only apt was told of, empty if there is none."""
    for line in _lines(["apt-config", "--format", "%f %v%n", "dump", "Acquire::http::Proxy"]):
        name, _, value = line.partition(" ")
        if name == "Acquire::http::Proxy" and value != "DIRECT":
            return value
    return ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Need:
    """A package, and whether what we need of it is there."""

    package: str
    is_met: Callable[[], bool]


def _has(*commands: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(command, path=search_path()) for command in commands)


_NEEDS = (
    _Need("buildah", _has("buildah")),
    _Need("busybox-static", lambda: busybox() is not None),
    _Need("ca-certificates", CA_BUNDLE.exists),
    _Need("containernetworking-plugins", lambda: cni_folder() is not None),
    _Need("debian-archive-keyring", _ARCHIVE_KEYRING.exists),
    _Need("debootstrap", _has("debootstrap")),
    _Need("iproute2", _has("ip")),
    _Need("iptables", _has("iptables", "iptables-save", "iptables-restore")),
    _Need("mount", _has("mount", "umount")),
    _Need("openssl", _has("openssl")),
    _Need("runc", _has("runc")),
    _Need("util-linux", _has("nsenter", "setpriv", "unshare")),
)


def _apt_get(command: list[str]) -> str:
    """Run it; return what it said when it failed."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "PATH": search_path()}
    # Another apt-get may be at work: on a fresh machine it usually is.
    patient = [command[0], "-o", "DPkg::Lock::Timeout=300", *command[1:]]
    finished = subprocess.run(
        patient,
        env=os.environ | quiet,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return finished.stdout[-2000:] + "\n" if finished.returncode else ""


def _lines(command: list[str]) -> Iterator[str]:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return
    yield from finished.stdout.splitlines()
