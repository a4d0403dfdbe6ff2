"""No TLS below 1.2, for those who call us and for those whom we call.

That the old version works at all on this machine is seen first: a test that is refused for
another reason would prove nothing.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.kinds import NAMESPACE
from api.meta import ObjectKey
from devcluster.spire.authority import Authority as SpireAuthority
from devcluster.spire.server import SpireServer
from registrar.admission.certificates import ServingCertificate
from registrar.admission.mutualtls import MutualTLS
from registrar.admission.review import ALLOWED, settled
from registrar.admission.server import serve
from registrar.kube.client import KubeClient
from registrar.kube.errors import Unavailable
from registrar.kube.session import connect
from registrar.settings.model import UnixAddress
from registrar.spire.background import background
from registrar.spire.connection import open_connection
from registrar.spire.relay import client_context
from registrar.spire.svids import Minter
from registrar.spire.workload import X509Identity
from tests.support.oldtls import OLD, speak_only
from tests.support.podwebhook import write_material
from tests.support.scripted_api import scripted_api
from tests.unit.kube.test_session import Authority, a_kubeconfig, a_namespace

NEW = ssl.TLSVersion.TLSv1_2
VALIDATORS = {"/": lambda _: settled(ALLOWED)}
SPOKEN = {OLD: "refused", NEW: "TLSv1.2"}


async def _names() -> list[str]:
    return ["localhost"]


def trusting_anybody(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return speak_only(context, version)


async def spoken(port: int, context: ssl.SSLContext) -> str:
    """The version in which a server speaks to a client, or what became of it instead."""
    try:
        async with asyncio.timeout(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except ssl.SSLCertVerificationError:
        return "distrusted"
    except (ssl.SSLError, ConnectionError):
        # The alert that says why may be lost together with the connection.
        return "refused"
    version = str(writer.get_extra_info("ssl_object").version())
    writer.transport.abort()
    return version


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server of any kind with that context."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    async with await asyncio.start_server(wait, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_the_old_version_works_here_where_it_is_allowed(tmp_path: Path) -> None:
    write_material(tmp_path)
    async with listening(speak_only(server_context(tmp_path))) as port:
        assert await spoken(port, trusting_anybody(OLD)) == "TLSv1.1"


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_webhook_with_a_certificate_of_spires_refuses_it(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with (
        SpireServer.serve(socket_path=tmp_path / "spire.sock") as spire,
        open_connection(UnixAddress(spire.socket_path), trust_domain="example.org") as channel,
        background() as tasks,
    ):
        certificate = ServingCertificate(
            Minter(channel), spiffe_id="spiffe://example.org/webhook", dns_names=_names
        )
        tasks.create_task(certificate.run())
        async with asyncio.timeout(20):
            await certificate.ready.wait()
        async with serve(
            "127.0.0.1", 0, context=certificate.context, validators=VALIDATORS
        ) as port:
            assert await spoken(port, trusting_anybody(version)) == SPOKEN[version]


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_the_pod_webhook_refuses_it(tmp_path: Path, version: ssl.TLSVersion) -> None:
    write_material(tmp_path)
    tls = await MutualTLS.load(tmp_path / "cert.pem", tmp_path / "key.pem", None)
    async with serve("127.0.0.1", 0, context=tls.context, validators=VALIDATORS) as port:
        assert await spoken(port, trusting_anybody(version)) == SPOKEN[version]


async def test_an_api_server_with_nothing_newer_is_refused(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    for version, is_taken in ((OLD, False), (NEW, True)):
        async with scripted_api(a_namespace, speak_only(ours.context(), version)) as api:
            kubeconfig = a_kubeconfig(tmp_path, api.url, {"certificate-authority": str(ours.file)})
            async with connect(kubeconfig, user_agent="test") as session:
                reading = KubeClient(session).get(NAMESPACE, ObjectKey("", "a"))
                if is_taken:
                    assert (await reading).metadata.name == "a"
                    continue
                with pytest.raises(Unavailable):
                    await reading


async def test_a_spire_server_with_nothing_newer_is_refused(tmp_path: Path) -> None:
    write_material(tmp_path)
    authority = SpireAuthority("example.org")
    svid = authority.issue("spiffe://example.org/registrar")
    chain, authorities = (svid.certificate_der,), (authority.certificate_der,)
    identity = X509Identity(svid.spiffe_id, chain, svid.key_der, authorities)
    ours = await asyncio.to_thread(client_context, identity)
    # Whom we talk to is not the question here: both versions get as far as the certificate.
    for version, said in ((OLD, "refused"), (NEW, "distrusted")):
        async with listening(speak_only(server_context(tmp_path), version)) as port:
            assert await spoken(port, ours) == said
