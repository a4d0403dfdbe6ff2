"""The webhook's server with certificates that the embedded SPIRE server mints."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from devcluster.spire.server import SpireServer
from registrar.admission.certificates import ServingCertificate
from registrar.admission.review import ALLOWED, settled
from registrar.admission.server import serve
from registrar.settings.model import UnixAddress
from registrar.spire.connection import open_connection
from registrar.spire.svids import Minter
from tests.support.waiting import until

ID = "spiffe://example.org/webhook"


@pytest.fixture
async def minter(tmp_path: Path) -> AsyncIterator[Minter]:
    socket = tmp_path / "spire.sock"
    async with (
        SpireServer.serve(socket_path=socket),
        open_connection(UnixAddress(socket), trust_domain="example.org") as connection,
    ):
        yield Minter(connection)


async def names() -> Sequence[str]:
    return ["localhost"]


async def trusting(minter: Minter) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for der in await minter.bundle():
        context.load_verify_locations(cadata=der)
    return context


async def post(port: int, context: ssl.SSLContext, body: bytes, path: str = "/check") -> int:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"https://localhost:{port}{path}", data=body, ssl=context) as response,
    ):
        return response.status


REVIEW = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}'


async def test_the_certificate_is_for_the_names_and_the_spiffe_id(minter: Minter) -> None:
    certificate = ServingCertificate(minter, spiffe_id=ID, dns_names=names)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(certificate.run())
        await certificate.ready.wait()
        assert certificate.problem is None
        async with serve(
            "localhost",
            0,
            context=certificate.context,
            validators={"/check": lambda _: settled(ALLOWED)},
        ) as port:
            context = await trusting(minter)
            assert await post(port, context, REVIEW) == 200
            assert await post(port, context, b"nonsense") == 400
            assert await post(port, context, REVIEW, "/other") == 404
            _, writer = await asyncio.open_connection("localhost", port, ssl=context)
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
            await writer.wait_closed()
        running.cancel()
    found = x509.load_der_x509_certificate(der)
    alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == ["localhost"]
    assert alternatives.get_values_for_type(x509.UniformResourceIdentifier) == [ID]


@pytest.mark.slow
async def test_certificates_rotate_under_load_without_one_failure(minter: Minter) -> None:
    certificate = ServingCertificate(minter, spiffe_id=ID, dns_names=names, ttl_seconds=6)
    seen: set[bytes] = set()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(certificate.run())
        await certificate.ready.wait()
        async with serve(
            "localhost",
            0,
            context=certificate.context,
            validators={"/check": lambda _: settled(ALLOWED)},
        ) as port:
            context = await trusting(minter)
            async with asyncio.timeout(90):
                while len(seen) < 3:
                    assert await post(port, context, REVIEW) == 200
                    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
                    ssl_object = writer.get_extra_info("ssl_object")
                    seen.add(ssl_object.getpeercert(binary_form=True))
                    writer.close()
                    await writer.wait_closed()
        running.cancel()


async def test_a_spire_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    socket = tmp_path / "spire.sock"
    async with open_connection(UnixAddress(socket), trust_domain="example.org") as connection:
        certificate = ServingCertificate(Minter(connection), spiffe_id=ID, dns_names=names)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(certificate.run())
            await until(lambda: "from SPIRE" in (certificate.problem or ""))
            async with SpireServer.serve(socket_path=socket), asyncio.timeout(90):
                await certificate.ready.wait()
            running.cancel()
