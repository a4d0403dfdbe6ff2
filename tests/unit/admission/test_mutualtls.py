"""Mutual TLS from files that change while it serves, on a real loopback socket."""

import asyncio
import logging
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from registrar.admission.material import Algorithms, Material, Service, make_material
from registrar.admission.mutualtls import MutualTLS
from registrar.admission.review import ALLOWED, settled
from registrar.admission.server import serve
from registrar.errors import InvalidField
from tests.support.waiting import eventually, until

SERVICE = Service("registrar", "spire")
REVIEW = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}'
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Folder:
    """The three files, and the client's two beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.certificate = path / "server-cert.pem"
        self.key = path / "server-key.pem"
        self.authority = path / "cacert.pem"

    def write(self, material: Material) -> None:
        self.path.mkdir(exist_ok=True)
        self.certificate.write_text(material.server_certificate)
        self.key.write_text(material.server_key)
        self.authority.write_text(material.authority)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "server")


def material(ttl: timedelta | None = None) -> Material:
    return make_material(SERVICE, algorithms=Algorithms(), now=datetime.now(UTC), ttl=ttl)


def client(
    server: Material,
    mine: tuple[str, str] | None,
    folder: Folder,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """What a client trusts, and the certificate and key that it shows."""
    context = ssl.create_default_context(cadata=server.authority)
    context.minimum_version = context.maximum_version = version
    if mine is not None:
        path = folder.path / "client.pem"
        path.write_text("".join(mine))
        context.load_cert_chain(path)
    return context


def of_client(found: Material) -> tuple[str, str]:
    return found.client_certificate, found.client_key


async def ask(http: aiohttp.ClientSession, port: int, context: ssl.SSLContext) -> int:
    url = f"https://127.0.0.1:{port}/validate"
    async with http.post(url, data=REVIEW, ssl=context, server_hostname=SERVICE.host) as response:
        return response.status


async def outcome(port: int, context: ssl.SSLContext) -> str:
    """What becomes of a call: ``answered``, or who of the two did not like the other."""
    async with aiohttp.ClientSession() as http:
        try:
            status = await ask(http, port, context)
        except aiohttp.ClientConnectorCertificateError:
            return "server distrusted"
        except aiohttp.ClientError:
            return "client refused"
        return "answered" if status == 200 else str(status)


async def until_answered(port: int, context: ssl.SSLContext) -> None:
    async def is_answered() -> bool:
        return await outcome(port, context) == "answered"

    await eventually(is_answered)


async def loaded(folder: Folder) -> MutualTLS:
    return await MutualTLS.load(folder.certificate, folder.key, folder.authority, poll_seconds=0.01)


@asynccontextmanager
async def served(tls: MutualTLS) -> AsyncIterator[int]:
    """Follows the files and serves for the time of the block; gives the port."""
    async with (
        asyncio.TaskGroup() as tasks,
        serve(
            "127.0.0.1",
            0,
            context=tls.context,
            validators={"/validate": lambda _: settled(ALLOWED)},
        ) as port,
    ):
        running = tasks.create_task(tls.run())
        try:
            yield port
        finally:
            running.cancel()


@pytest.mark.parametrize("version", VERSIONS)
async def test_only_clients_of_the_authority_are_served(
    folder: Folder, version: ssl.TLSVersion
) -> None:
    ours, others = material(), material()
    folder.write(ours)
    tls = await loaded(folder)
    assert tls.problem is None
    async with served(tls) as port:
        assert await outcome(port, client(ours, of_client(ours), folder, version)) == "answered"
        assert await outcome(port, client(ours, None, folder, version)) == "client refused"
        assert (
            await outcome(port, client(ours, of_client(others), folder, version))
            == "client refused"
        )


async def test_a_certificate_for_servers_is_none_for_a_client(folder: Folder) -> None:
    ours = material()
    folder.write(ours)
    async with served(await loaded(folder)) as port:
        shown = ours.server_certificate, ours.server_key
        assert await outcome(port, client(ours, shown, folder)) == "client refused"


async def test_a_client_certificate_that_has_ended_is_refused(folder: Folder) -> None:
    ours = make_material(
        SERVICE,
        algorithms=Algorithms(),
        now=datetime.now(UTC) - timedelta(hours=1),
        ttl=timedelta(minutes=30),
    )
    folder.write(ours)
    context = client(ours, of_client(ours), folder)
    # The server's has ended with it, which is not what this is about.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with served(await loaded(folder)) as port:
        assert await outcome(port, context) == "client refused"


async def test_without_an_authority_no_certificate_is_asked_for(folder: Folder) -> None:
    ours = material()
    folder.write(ours)
    tls = await MutualTLS.load(folder.certificate, folder.key, None)
    async with served(tls) as port:
        assert await outcome(port, client(ours, None, folder)) == "answered"


@pytest.mark.parametrize("version", VERSIONS)
async def test_new_files_are_used_and_the_old_authority_is_not_trusted_any_more(
    folder: Folder, version: ssl.TLSVersion
) -> None:
    old, new = material(), material()
    folder.write(old)
    async with served(await loaded(folder)) as port:
        assert await outcome(port, client(old, of_client(old), folder, version)) == "answered"
        folder.write(new)
        await until_answered(port, client(new, of_client(new), folder, version))
        assert await outcome(port, client(new, of_client(old), folder, version)) == "client refused"
        context = client(old, of_client(new), folder, version)
        assert await outcome(port, context) == "server distrusted"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_of_the_old_authority_is_not_resumed(
    folder: Folder, version: ssl.TLSVersion
) -> None:
    old, new = material(), material()
    folder.write(old)
    tls = await loaded(folder)
    before = client(old, of_client(old), folder, version)
    before.load_verify_locations(cadata=new.authority)
    async with served(tls) as port:
        answer, _, session = await asyncio.to_thread(raw, port, before, None)
        assert answer.startswith(b"HTTP/1.1 ")
        _, resumed, session = await asyncio.to_thread(raw, port, before, session)
        assert resumed
        folder.write(new)
        await until_answered(port, client(new, of_client(new), folder, version))
        answer, resumed, _ = await asyncio.to_thread(raw, port, before, session)
        assert (answer, resumed) == (b"", False)


def raw(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bytes, bool, ssl.SSLSession | None]:
    """The beginning of an answer, whether the session was resumed, and one for the next time."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname=SERVICE.host, session=session) as connection,
        ):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = connection.recv(100)
            return answer, bool(connection.session_reused), connection.session
    except OSError:
        return b"", False, None


async def test_a_connection_that_is_open_outlives_the_change(folder: Folder) -> None:
    old, new = material(), material()
    folder.write(old)
    context = client(old, of_client(old), folder)
    async with served(await loaded(folder)) as port, aiohttp.ClientSession() as http:
        assert await ask(http, port, context) == 200
        folder.write(new)
        await until_answered(port, client(new, of_client(new), folder))
        assert await ask(http, port, context) == 200


async def test_a_volume_that_swaps_its_links_is_noticed(tmp_path: Path) -> None:
    """As the kubelet does it: the files lead over ``..data`` into a folder with a date."""
    old, new = material(), material()
    Folder(tmp_path / "..1").write(old)
    Folder(tmp_path / "..2").write(new)
    for file in (tmp_path / "..2").iterdir():
        # Times and sizes may well be the same in both.
        before = (tmp_path / "..1" / file.name).stat()
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "..data").symlink_to("..1")
    volume = Folder(tmp_path / "volume")
    volume.path.mkdir()
    for path in (volume.certificate, volume.key, volume.authority):
        path.symlink_to(Path("..") / "..data" / path.name)
    async with served(await loaded(volume)) as port:
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await until_answered(port, client(new, of_client(new), volume))
        assert await outcome(port, client(new, of_client(old), volume)) == "client refused"


async def test_files_that_do_not_fit_leave_the_last_good_ones_and_are_said_once(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = material(), material()
    folder.write(old)
    tls = await loaded(folder)
    async with served(tls) as port:
        # The Secret comes before the ConfigMap.
        _replace(folder.key, new.server_key)
        await until(lambda: "must match" in (tls.problem or ""))
        assert await outcome(port, client(old, of_client(old), folder)) == "answered"
        _replace(folder.certificate, new.server_certificate[:300])
        await until(lambda: "as PEM, whole" in (tls.problem or ""))
        folder.certificate.unlink()
        await until(lambda: "cannot be read" in (tls.problem or ""))
        assert await outcome(port, client(old, of_client(old), folder)) == "answered"
        _replace(folder.certificate, new.server_certificate)
        await until(lambda: tls.problem is None)
        assert await outcome(port, client(new, of_client(old), folder)) == "answered"
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in said] == ["the certificates cannot be read anew"] * 3


def _replace(path: Path, text: str) -> None:
    """Never half written."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


async def test_the_same_files_put_back_are_right_again(folder: Folder) -> None:
    ours = material()
    folder.write(ours)
    tls = await loaded(folder)
    async with served(tls):
        folder.authority.write_text("")
        await until(lambda: "cacert_path" in (tls.problem or ""))
        folder.write(ours)
        await until(lambda: tls.problem is None)


async def test_who_stands_in_the_file_is_trusted_without_an_issuer(folder: Folder) -> None:
    """As with the tool we replace, an intermediate authority or even a client may stand there."""
    ours = material()
    folder.write(ours)
    folder.authority.write_text(ours.client_certificate)
    async with served(await loaded(folder)) as port:
        assert await outcome(port, client(ours, of_client(ours), folder)) == "answered"


# The parameters are named: new keys in their place would differ between the tests' processes.
OTHER = material()
ENCRYPTED = (
    load_pem_private_key(OTHER.server_key.encode(), None)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    .decode()
)


@pytest.mark.parametrize(
    ("field", "content", "message"),
    [
        pytest.param("cert_path", None, "cannot be read: No such file", id="no certificate"),
        pytest.param("cert_path", "", "no certificates", id="empty certificate"),
        pytest.param("cert_path", OTHER.server_key, "no certificates", id="key for certificate"),
        pytest.param("key_path", None, "cannot be read: No such file", id="no key"),
        pytest.param("key_path", "nonsense", "no private key", id="nonsense for key"),
        pytest.param("key_path", OTHER.server_key[:100], "no private key", id="half a key"),
        pytest.param("key_path", OTHER.server_key, "must match", id="another key"),
        pytest.param("key_path", ENCRYPTED, "passphrase", id="encrypted key"),
        pytest.param("cacert_path", None, "cannot be read: No such file", id="no authority"),
        pytest.param("cacert_path", "nonsense", "no certificates", id="nonsense for authority"),
        pytest.param("cacert_path", OTHER.client_key, "no certificates", id="key for authority"),
    ],
)
async def test_what_is_wrong_at_the_start_is_said_by_its_key(
    folder: Folder, field: str, content: str | None, message: str
) -> None:
    folder.write(material())
    paths = {
        "cert_path": folder.certificate,
        "key_path": folder.key,
        "cacert_path": folder.authority,
    }
    if content is None:
        paths[field].unlink()
    else:
        paths[field].write_text(content)
    with pytest.raises(InvalidField, match=message) as caught:
        await loaded(folder)
    assert (caught.value.path, caught.value.value) == (field, str(paths[field]))
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_said(folder: Folder) -> None:
    folder.write(material())
    folder.key.chmod(stat.S_IWUSR)
    with pytest.raises(InvalidField, match="cannot be read: Permission denied"):
        await loaded(folder)


@pytest.mark.parametrize(("days", "warned"), [(6, True), (8, False)])
async def test_a_certificate_that_ends_soon_is_warned_of_and_no_problem(
    folder: Folder, caplog: pytest.LogCaptureFixture, days: int, warned: bool
) -> None:
    folder.write(material(ttl=timedelta(days=days)))
    tls = await loaded(folder)
    await tls.refresh()
    assert tls.problem is None
    said = [record for record in caplog.records if "ends soon" in record.getMessage()]
    assert len(said) == int(warned)


async def test_the_warning_comes_to_a_server_that_runs_on(
    folder: Folder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(material(ttl=timedelta(days=8)))
    async with served(await loaded(folder)):
        assert "ends soon" not in caplog.text
        # As if two days had gone by.
        monkeypatch.setattr("registrar.admission.mutualtls.WARN_BEFORE", timedelta(days=9))
        await until(lambda: "ends soon" in caplog.text)
