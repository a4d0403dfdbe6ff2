"""Where the API server is and how to log in: kubeconfig files or in-cluster service account.

kubernetes_asyncio reads the file (contexts, client certificates, tokens, token
files, exec plugins, OIDC), and the service account is two files. What that
leaves open is done here: files and plugins are read in a thread, a new token,
client certificate or CA is taken up while running, and the context of TLS
accepts cluster CAs without key identifiers, which Python 3.13 would refuse.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from registrar.errors import InvalidField
from registrar.kube.login import Login, environment_proxy
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
"""How old a token may get before it is read again; a kubelet renews it minutes ahead."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a Pod's token and the cluster's CA."""

_SERVICE = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


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
        cls, kubeconfig: Path | None, *, context: str = "", service_account: Path = SERVICE_ACCOUNT
    ) -> "Credentials":
        """Read the configuration: the file, or where it is None as kubectl would find one.

        ``context`` is the one of a kubeconfig to use, empty for its current one.
        Raises InvalidField that names what is missing or wrong.
        """

        def load(force: bool) -> Login:  # noqa: FBT001 - passed on as one argument
            return source(force)

        source = await asyncio.to_thread(_source, kubeconfig, context, service_account)
        login = await asyncio.to_thread(load, False)  # noqa: FBT003
        try:
            return await asyncio.to_thread(cls, login, load)
        except (OSError, ssl.SSLError) as error:
            raise InvalidField("kubeconfig", str(kubeconfig or login.host), str(error)) from error

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


def _source(
    kubeconfig: Path | None, context: str, service_account: Path
) -> Callable[[bool], Login]:
    """What to read: a named file, KUBECONFIG's, the Pod's own, the user's; as kubectl and Go do."""
    if kubeconfig is not None:
        return _kubeconfig([kubeconfig], "kubeconfig", context)
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return _kubeconfig([Path(part).expanduser() for part in listed], "KUBECONFIG", context)
    in_cluster = _InCluster(service_account)
    if in_cluster.is_there() and not context:
        return in_cluster
    users = Path(os.path.expanduser("~/.kube/config"))  # noqa: PTH111 - a user may have no home
    if users.is_file():
        return _kubeconfig([users], "kubeconfig", context)
    if context:
        raise InvalidField("context", context, "no kubeconfig has it: give --kubeconfig too")
    return in_cluster


def _kubeconfig(paths: list[Path], named_by: str, context: str) -> Callable[[bool], Login]:
    from registrar.kube.kubeconfig import KubeConfig  # noqa: PLC0415 - see that module

    return KubeConfig(paths, named_by=named_by, context=context)


class _InCluster:
    """The service account that Kubernetes mounts into a Pod."""

    def __init__(self, folder: Path) -> None:
        self._token = folder / "token"
        self._ca = folder / "ca.crt"

    def is_there(self) -> bool:
        """Whether this is a Pod with a service account."""
        return all(os.environ.get(name) for name in _SERVICE) and self._token.is_file()

    def __call__(self, force: bool) -> Login:  # noqa: ARG002, FBT001 - files are read each time
        for name in _SERVICE:
            if not os.environ.get(name):
                raise InvalidField(
                    name,
                    "",
                    "not set: outside of a Pod give --kubeconfig, set KUBECONFIG, or have "
                    "~/.kube/config",
                )
        for file in (self._token, self._ca):
            if not file.is_file():
                raise InvalidField(
                    str(file),
                    "",
                    "no such file: give the Pod a service account and leave "
                    "automountServiceAccountToken on",
                )
        name, port = (os.environ[key] for key in _SERVICE)
        host = f"https://{f'[{name}]' if ':' in name else name}:{port}"
        try:
            token = self._token.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise InvalidField(str(self._token), "", str(error)) from error
        if not token:
            raise InvalidField(str(self._token), "", "the service account's token is empty")
        return Login(
            host=host,
            authorization=f"Bearer {token}",
            ca_file=str(self._ca),
            proxy=environment_proxy(host),
        )


def _tls_context(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=login.ca_file)
    # The default of Python, which whoever packages it may have changed.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
