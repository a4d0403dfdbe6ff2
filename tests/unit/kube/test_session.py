"""TLS and proxies: whom we trust, and which way a call takes."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.codec import JSONObject, JSONValue
from api.documents import dump_yaml
from api.kinds import NAMESPACE
from api.meta import ObjectKey
from registrar.kube.client import KubeClient
from registrar.kube.config import Credentials
from registrar.kube.errors import Unavailable
from registrar.kube.session import Request, connect
from tests.support.scripted_api import (
    a_namespace_document,
    json_reply,
    scripted_api,
    status_reply,
)
from tests.support.waiting import until

KEY = ObjectKey("", "a")


class Authority:
    """A CA as clusters have them: no key identifiers. ``issue`` writes a server's files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.crt"
        certificate = self._sign(name, self._key.public_key(), is_ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, name: str, public_key: ec.EllipticCurvePublicKey, *, is_ca: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)]))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def context(self) -> ssl.SSLContext:
        """What a server on loopback needs to be trusted by those who trust this CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign("server", key.public_key(), is_ca=False)
        both = self._folder / f"{self._name}-server.pem"
        both.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context


def a_kubeconfig(folder: Path, server: str, cluster: JSONObject) -> Path:
    document: JSONValue = {
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "test", "user": {"token": "secret"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path = folder / "kubeconfig.yaml"
    path.write_text(dump_yaml(document))
    return path


async def a_namespace(_: web.Request) -> web.StreamResponse:
    return json_reply(a_namespace_document("a"))


async def test_a_cluster_ca_without_key_identifiers_is_trusted(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    async with scripted_api(a_namespace, ours.context()) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {"certificate-authority": str(ours.file)})
        async with connect(kubeconfig, user_agent="test") as session:
            assert (await KubeClient(session).get(NAMESPACE, KEY)).key == KEY


async def test_a_server_of_another_ca_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    async with scripted_api(a_namespace, theirs.context()) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {"certificate-authority": str(ours.file)})
        async with connect(kubeconfig, user_agent="test") as session:
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await KubeClient(session).get(NAMESPACE, KEY)
    assert api.asked == []


async def test_a_replaced_ca_is_taken_up_after_the_first_refusal(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(old.file.read_bytes())
    async with scripted_api(a_namespace, new.context()) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {"certificate-authority": str(trusted)})
        async with connect(kubeconfig, user_agent="test") as session:
            trusted.write_bytes(new.file.read_bytes())
            with pytest.raises(Unavailable):
                await KubeClient(session).get(NAMESPACE, KEY)
            assert (await KubeClient(session).get(NAMESPACE, KEY)).key == KEY


async def test_connections_of_a_replaced_ca_are_closed_when_their_last_stream_ends(
    tmp_path: Path,
) -> None:
    authority, another = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(authority.file.read_bytes())
    sent: asyncio.Queue[bytes] = asyncio.Queue()
    transports: list[asyncio.Transport] = []
    refusals = [status_reply(401, "Unauthorized")]

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return refusals.pop() if refusals else json_reply(a_namespace_document("a"))
        assert request.transport is not None
        transports.append(request.transport)
        reply = web.StreamResponse()
        await reply.prepare(request)
        while line := await sent.get():
            await reply.write(line)
        return reply

    async with scripted_api(answer, authority.context()) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {"certificate-authority": str(trusted)})
        async with connect(kubeconfig, user_agent="test") as session:
            watch = Request("GET", "/api/v1/namespaces", {"watch": "1"})
            async with session.stream(watch, read_seconds=30) as chunks:
                sent.put_nowait(b"before")
                assert await anext(chunks) == b"before"
                trusted.write_bytes(authority.file.read_bytes() + another.file.read_bytes())
                assert (await KubeClient(session).get(NAMESPACE, KEY)).key == KEY
                sent.put_nowait(b"after")
                assert await anext(chunks) == b"after"
                sent.put_nowait(b"")
                assert [chunk async for chunk in chunks] == []
            await until(transports[0].is_closing)
            assert (await KubeClient(session).get(NAMESPACE, KEY)).key == KEY


async def test_a_service_account_is_read_again_when_its_token_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "ca.crt").write_bytes(Authority(tmp_path, "ours").file.read_bytes())
    (tmp_path / "token").write_text("one\n")
    credentials = await Credentials.load(None, service_account=tmp_path)
    assert credentials.login.host == "https://[fd00::1]:443"
    assert credentials.login.authorization == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    renewed = await credentials.renew(credentials.login)
    assert renewed.authorization == "Bearer two"
    assert credentials.login is renewed


async def test_verification_can_be_turned_off_by_the_kubeconfig(tmp_path: Path) -> None:
    theirs = Authority(tmp_path, "theirs")
    async with scripted_api(a_namespace, theirs.context()) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {"insecure-skip-tls-verify": True})
        async with connect(kubeconfig, user_agent="test") as session:
            assert (await KubeClient(session).get(NAMESPACE, KEY)).key == KEY


async def test_a_call_takes_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_api(a_namespace) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "192.168.0.0/16")
        kubeconfig = a_kubeconfig(tmp_path, "http://10.1.2.3:8080", {})
        async with connect(kubeconfig, user_agent="test") as session:
            await KubeClient(session).get(NAMESPACE, KEY)
        assert len(proxy.asked) == 1


async def test_a_server_on_this_machine_needs_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with scripted_api(a_namespace) as api:
        kubeconfig = a_kubeconfig(tmp_path, api.url, {})
        async with connect(kubeconfig, user_agent="test") as session:
            await KubeClient(session).get(NAMESPACE, KEY)
        assert len(api.asked) == 1
