"""Logins from kubeconfig files, read by kubernetes_asyncio.

Imported only where there is such a file: the library brings the models of
every Kubernetes kind along, some 40 MB that a registrar in a cluster need not
carry.
"""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path

import yaml
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.kube_config import ConfigNode, KubeConfigLoader

from api.documents import YAMLError, check_yaml
from registrar.errors import InvalidField
from registrar.kube.login import Login, environment_proxy

LOAD_SECONDS = 30.0
"""How long an exec plugin or an OIDC provider may take."""


class KubeConfig:
    """Kubeconfig files, merged; ``named_by`` is what a person named them by.

    The loader is kept because it remembers when a plugin's token expires.
    """

    def __init__(self, paths: Sequence[Path], *, named_by: str, context: str) -> None:
        self._paths = paths
        self._named_by = named_by
        self._shown = os.pathsep.join(map(str, paths))
        self._context = context
        self._loader: KubeConfigLoader | None = None
        self._waits = False

    def __call__(self, force: bool) -> Login:  # noqa: FBT001 - a callable of Credentials
        """Read the files; ``force`` renews a plugin's token. Raises InvalidField."""
        there = [path for path in self._paths if path.is_file()]
        if not there:
            is_there = any(path.exists() for path in self._paths)
            raise self._invalid("a folder, no file" if is_there else "no such file")
        configuration = Configuration()
        try:
            loader = self._loader or self._load(there)
            if force and hasattr(loader, "exec_plugin_expiry"):
                del loader.exec_plugin_expiry
            if self._waits:
                asyncio.run(_load(loader, configuration))
            else:
                _step(loader.load_and_set(configuration))
        except (ConfigException, yaml.YAMLError, OSError, ValueError, TimeoutError) as error:
            raise self._invalid(str(error) or type(error).__name__) from error
        except (AttributeError, KeyError, TypeError, AssertionError) as error:
            # How the library fails on a file that is YAML but no kubeconfig.
            raise self._invalid(f"not a kubeconfig ({type(error).__name__}: {error})") from error
        self._loader = loader
        return _login(configuration)

    def _load(self, paths: Sequence[Path]) -> KubeConfigLoader:
        merged = _merged(paths)
        names = sorted(str(context["name"]) for context in merged.value["contexts"])
        context = self._context or merged.value["current-context"]
        if context not in names:
            raise ConfigException(
                f"there is no context {context!r}, but: {', '.join(names)}"
                if context
                else f"no current-context: choose one by --context: {', '.join(names)}"
            )
        self._waits = any(
            "exec" in (user["user"] or {}) or "auth-provider" in (user["user"] or {})
            for user in merged.value["users"]
        )
        return KubeConfigLoader(merged, active_context=context, config_base_path=None)

    def _invalid(self, why: str) -> InvalidField:
        return InvalidField(self._named_by, self._shown, why)


def _merged(paths: Sequence[Path]) -> ConfigNode:
    """The files as one: of what several files name, the first counts, as for kubectl.

    The library's own merger takes the last current-context, and cuts a path at a colon.
    """
    parts: dict[str, list[ConfigNode]] = {"clusters": [], "contexts": [], "users": []}
    current = ""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        try:
            # The library loads it without any bound.
            check_yaml(text)
        except YAMLError as error:
            # Which one it is, unless there is one alone.
            where = f"{path}: " if len(paths) > 1 else ""
            raise ConfigException(f"{where}{error}") from error
        document = yaml.load(text, Loader=yaml.CSafeLoader) or {}
        for part, found in parts.items():
            names = {node["name"] for node in found}
            found += [
                ConfigNode(f"{path}/{part}/{item['name']}", item, str(path))
                for item in document.get(part) or []
                if item["name"] not in names
            ]
        current = current or document.get("current-context") or ""
    first = str(paths[0])
    return ConfigNode(first, {**parts, "current-context": current}, first)


async def _load(loader: KubeConfigLoader, configuration: Configuration) -> None:
    async with asyncio.timeout(LOAD_SECONDS):
        await loader.load_and_set(configuration)


def _step(reading: Coroutine[None, None, None]) -> None:
    """Run to its end a coroutine that only reads files and so never waits."""
    try:
        reading.send(None)
    except StopIteration:
        return
    reading.close()
    raise ConfigException("unexpected wait while reading the configuration")


def _login(configuration: Configuration) -> Login:
    host = str(configuration.host).rstrip("/")
    # A token file may end in a newline, which no HTTP header may.
    authorization = str(configuration.api_key.get("BearerToken") or "").strip()
    return Login(
        host=host,
        authorization=authorization,
        ca_file=configuration.ssl_ca_cert or None,
        cert_file=configuration.cert_file or None,
        key_file=configuration.key_file or None,
        verify=bool(configuration.verify_ssl),
        server_name=configuration.tls_server_name or None,
        proxy=configuration.proxy or environment_proxy(host),
    )
