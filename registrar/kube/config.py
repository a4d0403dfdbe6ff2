"""Where the API server is and how to log in: kubeconfig file or in-cluster service account.

kubernetes_asyncio reads both (contexts, client certificates, tokens, token
files, exec plugins, OIDC). What it leaves open is done here: the files and
plugins are read in a thread, a new token, client certificate or CA is taken
up while running, and the context of TLS accepts cluster CAs without key
identifiers, which Python 3.13 would refuse.
"""

import asyncio
import ipaddress
import logging
import os
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import yaml
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
from kubernetes_asyncio.config.kube_config import (
    ConfigNode,
    KubeConfigLoader,
    KubeConfigMerger,
)

from registrar.errors import InvalidField
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
"""How old a token may get before it is read again; a kubelet renews it minutes ahead."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a Pod's token and the cluster's CA."""

LOAD_SECONDS = 30.0
"""How long an exec plugin or an OIDC provider may take."""


@dataclass(frozen=True, slots=True)
class Login:
    """Everything that one reading of the configuration gives."""

    host: str
    authorization: str = ""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


class Credentials:
    """The current login; ``fresh`` renews it when it is old, ``renew`` when it was refused."""

    def __init__(self, login: Login, load: Callable[[bool], Login]) -> None:
        self.login = login
        self.context = _tls_context(login) if login.host.startswith("https") else None
        self._load = load
        self._tls_files = _read_tls_files(login)
        self.generation = 0
        """Counts changes of TLS material: connections of an older one are not to be used again."""
        self._due = time.monotonic() + REFRESH_SECONDS
        self._renewing = asyncio.Lock()

    @classmethod
    async def load(
        cls, kubeconfig: Path | None, *, service_account: Path = SERVICE_ACCOUNT
    ) -> "Credentials":
        """Read the configuration: the file, or where it is None the mounted service account.

        Raises InvalidField that names what is missing or wrong.
        """

        def load(force: bool) -> Login:  # noqa: FBT001 - passed on as one argument
            return source(force)

        source = _InCluster(service_account) if kubeconfig is None else _KubeConfig(kubeconfig)
        login = await asyncio.to_thread(load, False)  # noqa: FBT003
        try:
            return await asyncio.to_thread(cls, login, load)
        except (OSError, ssl.SSLError) as error:
            raise InvalidField("kubeconfig", str(kubeconfig or "in-cluster"), str(error)) from error

    async def fresh(self) -> Login:
        """The login, read again first when it is older than ``REFRESH_SECONDS``."""
        if time.monotonic() >= self._due and not self._renewing.locked():
            await self.renew(self.login, force=False)
        return self.login

    async def renew(self, refused: Login, *, force: bool = True) -> Login:
        """Read the login again unless somebody has replaced ``refused`` meanwhile.

        A failure is logged and leaves the old one: it may still be good.
        """
        async with self._renewing:
            if self.login is not refused:
                return self.login
            self._due = time.monotonic() + REFRESH_SECONDS
            try:
                login = await asyncio.to_thread(self._load, force)
                files = await asyncio.to_thread(_read_tls_files, login)
                changed = files != self._tls_files
                if self.context is not None and changed:
                    _load_tls_files(self.context, login)
                    self._tls_files = files
                    self.generation += 1
                if changed or login != self.login:
                    self.login = login
            except (InvalidField, OSError, ssl.SSLError) as error:
                log.warning("cannot renew the Kubernetes login", extra=kv(error=str(error)))
            return self.login


class _InCluster:
    """The service account that Kubernetes mounts into a Pod."""

    def __init__(self, folder: Path) -> None:
        self._token = folder / "token"
        self._ca = folder / "ca.crt"

    def __call__(self, force: bool) -> Login:  # noqa: ARG002, FBT001 - files are read each time
        for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
            if not os.environ.get(name):
                raise InvalidField(
                    name,
                    "",
                    "not set: outside of a Pod, name a kubeconfig file",
                )
        for file in (self._token, self._ca):
            if not file.is_file():
                raise InvalidField(
                    str(file),
                    "",
                    "no such file: give the Pod a service account and leave "
                    "automountServiceAccountToken on",
                )
        configuration = Configuration()
        try:
            InClusterConfigLoader(
                str(self._token), str(self._ca), try_refresh_token=False
            ).load_and_set(configuration)
        except (ConfigException, OSError) as error:
            raise InvalidField("in-cluster configuration", "", str(error)) from error
        return _login(configuration)


class _KubeConfig:
    """A kubeconfig file; the loader is kept because it remembers when a plugin's token expires."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loader: KubeConfigLoader | None = None
        self._waits = False

    def __call__(self, force: bool) -> Login:  # noqa: FBT001
        if not self._path.is_file():
            raise InvalidField("kubeconfig", str(self._path), "no such file")
        configuration = Configuration()
        try:
            loader = self._loader
            if loader is None:
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
        proxy=configuration.proxy or _environment_proxy(host),
    )


def _environment_proxy(host: str) -> str | None:
    """The proxy that HTTPS_PROXY and NO_PROXY name, address ranges in NO_PROXY included."""
    parts = urlsplit(host)
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme)
    name = parts.hostname or ""
    if not proxy or proxy_bypass(name):
        return None
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return proxy
    for item in proxies.get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(item.strip(), strict=False):
                return None
        except ValueError:
            continue
    return None if address.is_loopback else proxy


def _tls_context(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=login.ca_file)
    # Cluster CAs without key identifiers are common; Kubernetes' own clients accept them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not login.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if login.cert_file:
        context.load_cert_chain(login.cert_file, login.key_file)
    return context


def _load_tls_files(context: ssl.SSLContext, login: Login) -> None:
    """Take up a new CA (beside the old one) or client certificate; new connections use them."""
    if login.ca_file:
        context.load_verify_locations(cafile=login.ca_file)
    if login.cert_file:
        context.load_cert_chain(login.cert_file, login.key_file)


def _read_tls_files(login: Login) -> tuple[bytes, ...]:
    names = (login.ca_file, login.cert_file, login.key_file)
    return tuple(Path(name).read_bytes() if name else b"" for name in names)
