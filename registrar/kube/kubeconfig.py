"""Logins from a kubeconfig file, read by kubernetes_asyncio.

Imported only where there is such a file: the library brings the models of
every Kubernetes kind along, some 40 MB that a registrar in a cluster need not
carry.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import yaml
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.kube_config import (
    ConfigNode,
    KubeConfigLoader,
    KubeConfigMerger,
)

from api.documents import check_yaml
from registrar.errors import InvalidField
from registrar.kube.login import Login, environment_proxy

LOAD_SECONDS = 30.0
"""How long an exec plugin or an OIDC provider may take."""


class KubeConfigFile:
    """A kubeconfig file; the loader is kept because it remembers when a plugin's token expires."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loader: KubeConfigLoader | None = None
        self._waits = False

    def __call__(self, force: bool) -> Login:  # noqa: FBT001 - a callable of Credentials
        """Read the file; ``force`` renews a plugin's token. Raises InvalidField."""
        if not self._path.is_file():
            raise InvalidField("kubeconfig", str(self._path), "no such file")
        configuration = Configuration()
        try:
            loader = self._loader
            if loader is None:
                # The library loads it without any bound.
                check_yaml(self._path.read_text(encoding="utf-8"))
                merged = KubeConfigMerger(str(self._path)).config or ConfigNode("", {})
                loader = KubeConfigLoader(merged, config_base_path=None)
                self._waits = any(
                    "exec" in (user["user"] or {}) or "auth-provider" in (user["user"] or {})
                    for user in merged.value["users"]
                )
            if force and hasattr(loader, "exec_plugin_expiry"):
                del loader.exec_plugin_expiry
            if self._waits:
                asyncio.run(_load(loader, configuration))
            else:
                _step(loader.load_and_set(configuration))
        except (ConfigException, yaml.YAMLError, OSError, ValueError, TimeoutError) as error:
            text = str(error) or type(error).__name__
            raise InvalidField("kubeconfig", str(self._path), text) from error
        except (AttributeError, KeyError, TypeError, AssertionError) as error:
            # How the library fails on a file that is YAML but no kubeconfig.
            raise InvalidField(
                "kubeconfig", str(self._path), f"not a kubeconfig ({type(error).__name__}: {error})"
            ) from error
        self._loader = loader
        return _login(configuration)


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
