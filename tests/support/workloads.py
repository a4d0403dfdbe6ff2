"""Two trust domains that federate, with an agent each, and programs that have SVIDs of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from devcluster.spire.authority import Authority
from devcluster.spire.workload import WorkloadAPI
from registrar.spire.background import background
from topology.workloadapi import WorkloadAPI as Agent
from topology.workloadapi import X509Answer
from workloads.listening import open_socket, serving
from workloads.peers import parse_expected
from workloads.server import Server
from workloads.source import Source

SERVER = "spiffe://example.org/server"
CLIENT = "spiffe://example.org/client"
STRANGER = "spiffe://auxiliary.org/client"


@dataclass(frozen=True, slots=True)
class Agents:
    """What each program's agent gives it."""

    server: WorkloadAPI
    client: WorkloadAPI
    stranger: WorkloadAPI


@asynccontextmanager
async def two_trust_domains(folder: Path) -> AsyncIterator[Agents]:
    """A server and a client of one trust domain, and a client of another; all federate."""
    ours, theirs = Authority("example.org"), Authority("auxiliary.org")
    async with AsyncExitStack() as stack:
        server, client, stranger = [
            await stack.enter_async_context(
                WorkloadAPI.serve(socket_path=folder / name, authority=authority, spiffe_id=who)
            )
            for name, authority, who in (
                ("s", ours, SERVER),
                ("c", ours, CLIENT),
                ("a", theirs, STRANGER),
            )
        ]
        client.jwt_authority = server.jwt_authority
        for each in (server, client):
            each.federate(stranger)
        stranger.federate(server)
        yield Agents(server, client, stranger)


def agent(api: WorkloadAPI) -> Agent:
    """The same as its workloads ask it."""
    return Agent(str(api.socket_path))


@asynccontextmanager
async def running_server(
    api: WorkloadAPI, mode: str, *clients: str
) -> AsyncIterator[tuple[str, Source]]:
    """A server of one listener; gives its URL and what it knows."""
    server = Server(parse_expected(clients, path="clients"), "")

    async def take(answer: X509Answer) -> None:
        await asyncio.to_thread(server.take, answer)

    source = Source(agent(api), on_change=take)
    listener = open_socket("127.0.0.1", 0, path="listen")
    scheme, port = "http" if mode == "http" else "https", listener.getsockname()[1]
    async with (
        serving(server.app(mode, source), listener, server.context(mode)),
        background() as tasks,
    ):
        tasks.create_task(source.run())
        await source.ready()
        yield f"{scheme}://127.0.0.1:{port}", source


def with_certificate(
    authority: Authority,
    uris: Sequence[str],
    *,
    ca: bool = False,
    usage: x509.KeyUsage | None = None,
) -> bytes:
    """A certificate of an authority as no agent gives it, DER."""
    now = datetime.now(UTC)
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    signed = builder.sign(authority._key, hashes.SHA256())  # noqa: SLF001 - its key is needed
    return signed.public_bytes(Encoding.DER)


def key_usage(*, signs: bool = True, signs_certificates: bool = False) -> x509.KeyUsage:
    """What a key may be used for."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
