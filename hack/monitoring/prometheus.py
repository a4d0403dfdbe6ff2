"""Prometheus and its promtool: those of this machine, else of Debian's package, and a server.

The package is unpacked into the user's cache, not installed: nothing starts by itself, and nobody
needs to be root.
"""

import dataclasses
import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from api.codec import JSONValue
from api.documents import dump_yaml
from hack import debianpackage
from hack.compilers import Progress, cache_folder
from hack.processes import Servers, free_port

START_SECONDS = 60
_ASK_SECONDS = 30
_PACKAGE = "prometheus"


@dataclasses.dataclass(frozen=True, slots=True)
class Programs:
    """Where the two are."""

    prometheus: Path
    promtool: Path


def found() -> Programs | None:
    """Those that are here, of whichever version; None when there are none."""
    here = [shutil.which("prometheus"), shutil.which("promtool")]
    if here[0] is not None and here[1] is not None:
        return Programs(Path(here[0]), Path(here[1]))
    programs = _unpacked(_folder())
    return programs if programs.promtool.exists() else None


def ensure(progress: Progress) -> Programs:
    """Return the programs, after fetching Debian's package if there are none.

    Raises:
        ToolError: this machine has no apt-get, or the package could not be had.

    """
    programs = found()
    if programs is not None:
        return programs
    debianpackage.unpack(_PACKAGE, _folder(), progress)
    return _unpacked(_folder())


class Prometheus:
    """A server that scrapes often, in use as a context manager. All calls block.

    ``targets`` are the ports on loopback, each with the labels that its series get.
    """

    def __init__(self, programs: Programs, targets: dict[int, dict[str, str]]) -> None:
        self._programs = programs
        self._address = f"127.0.0.1:{free_port()}"
        self._url = f"http://{self._address}"
        self._folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        self._servers = Servers(self._folder)
        static: list[JSONValue] = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {**labels}}
            for port, labels in targets.items()
        ]
        self._config = self._folder / "prometheus.yml"
        self._config.write_text(
            dump_yaml(
                {
                    "global": {"scrape_interval": "1s"},
                    "scrape_configs": [{"job_name": "spire", "static_configs": static}],
                }
            ),
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        """Start it; it answers when this returns. Raises ServerError when it does not."""
        self._server = self._servers.start(
            "prometheus",
            [
                str(self._programs.prometheus),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={self._address}",
            ],
        )
        self._server.wait_until(self._is_ready, START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it; its folder stays where the block failed."""
        self._servers.stop(self._server, abruptly=True)
        self._servers.close()
        if error is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def values(self, expression: str) -> list[float]:
        """What an expression gives now, a number for each series.

        Raises:
            OSError: it does not answer, or refuses the expression.

        """
        url = f"{self._url}/api/v1/query?{urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=_ASK_SECONDS) as response:  # noqa: S310 - http
            result = json.load(response)["data"]["result"]
        return [float(series["value"][1]) for series in result]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):  # noqa: S310 - http
                return True
        except OSError:
            return False


def _folder() -> Path:
    return cache_folder() / "tools" / "debian-prometheus"


def _unpacked(folder: Path) -> Programs:
    binaries = folder / "usr" / "bin"
    return Programs(binaries / "prometheus", binaries / "promtool")
