"""What pip must know inside a build to reach the package index that it reaches outside.

The machine's settings and certificates are mounted while the build's commands run: they are in no
layer of the image.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hack.node import debian

# Where pip looks for packages. Settings of how it installs would change what is built.
_OF_THE_INDEX = frozenset(
    {
        "cert",
        "client-cert",
        "default-timeout",
        "extra-index-url",
        "find-links",
        "index-url",
        "no-index",
        "proxy",
        "retries",
        "timeout",
        "trusted-host",
    }
)
_SETTING = re.compile(r"(?P<section>:?[\w-]+:?)\.(?P<key>[\w-]+)=(?P<value>.+)")
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def mounts(folder: Path) -> list[tuple[Path, str]]:
    """Return files of this machine with the paths where the build must see them.

    ``folder`` takes the configuration that is written for pip.
    """
    settings = dict(_settings())
    mounted = [(path, str(path)) for value in settings.values() for path in _paths_in(value)]
    bundle = _ca_bundle(settings.pop("cert", ""))
    if bundle is not None:
        settings["cert"] = str(debian.CA_BUNDLE)
        mounted.append((bundle, settings["cert"]))
    config = folder / "pip.conf"
    # A list stands on lines of its own, indented.
    lines = [f"{key} = " + "\n    ".join(value.split()) for key, value in settings.items()]
    config.write_text("\n".join(["[global]", *lines, ""]))
    return [(config, "/etc/pip.conf"), *dict.fromkeys(mounted)]


def _settings() -> Iterator[tuple[str, str]]:
    """Yield pip's settings, from its files first, then from the environment, which counts more."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in finished.stdout.splitlines():
        match = _SETTING.fullmatch(line)
        if match and match["section"] != ":env:" and match["key"] in _OF_THE_INDEX:
            yield match["key"], str(ast.literal_eval(match["value"]))
    for name, value in os.environ.items():
        key = name.removeprefix("PIP_").lower().replace("_", "-")
        if name.startswith("PIP_") and key in _OF_THE_INDEX and value:
            yield key, value


def _paths_in(value: str) -> Iterator[Path]:
    """Yield the files and folders of this machine that a setting names."""
    for word in value.split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            yield path


def _ca_bundle(asked: str) -> Path | None:
    named = [asked, *(os.environ.get(name, "") for name in _BUNDLES), str(debian.CA_BUNDLE)]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)
