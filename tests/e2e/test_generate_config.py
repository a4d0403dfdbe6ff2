"""``generate-config`` as a process: what it prints, what it writes, what it refuses."""

import asyncio
import base64
import ssl
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from api.codec import JSONObject, JSONValue
from api.documents import load_yaml_documents
from registrar.admission.material import KEY_ALGORITHMS, NEVER
from registrar.admission.mutualtls import MutualTLS
from registrar.admission.review import ALLOWED, settled
from registrar.admission.server import serve

pytestmark = [pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
HOST = "k8s-workload-registrar.spire.svc"
REVIEW = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}'
SECRET = {"server-key.pem", "client-key.pem", "kubeconfig.yaml", "objects.yaml"}
OPEN = {"cacert.pem", "server-cert.pem", "client-cert.pem", "admission-configuration.yaml"}


async def run(*arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was printed to standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "manager", "generate-config", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def right(*arguments: str) -> str:
    code, out, err = await run(*arguments)
    assert (code, err) == (0, "")
    return out


def by_kind(text: str) -> dict[str, JSONObject]:
    found: dict[str, JSONObject] = {}
    for document in load_yaml_documents(text):
        assert isinstance(document, dict)
        found[str(document["kind"])] = document
    return found


def at(document: JSONValue, *path: str | int) -> JSONValue:
    for step in path:
        if isinstance(step, int):
            assert isinstance(document, Sequence)
            document = document[step]
        else:
            assert isinstance(document, Mapping)
            document = document[step]
    return document


def decoded(value: JSONValue) -> str:
    return base64.b64decode(str(value), validate=True).decode()


def certificate(pem: JSONValue) -> x509.Certificate:
    return x509.load_pem_x509_certificate(str(pem).encode())


async def test_the_documents_come_to_standard_output() -> None:
    text = await right()
    found = by_kind(text)
    assert list(found) == [
        "ConfigMap",
        "Secret",
        "Config",
        "AdmissionConfiguration",
        "ValidatingWebhookConfiguration",
    ]
    for document in f"\n{text}".split("\n---\n")[1:]:
        assert document.startswith("# For ")
    for kind, name in (("ConfigMap", "certs"), ("Secret", "secret")):
        assert at(found[kind], "metadata") == {
            "name": f"k8s-workload-registrar-{name}",
            "namespace": "spire",
        }
    assert at(found["Config"], "users", 0, "name") == HOST
    webhook = at(found["ValidatingWebhookConfiguration"], "webhooks", 0)
    assert at(webhook, "name") == HOST
    authority = decoded(at(webhook, "clientConfig", "caBundle"))
    assert at(found["ConfigMap"], "data", "cacert.pem") == authority
    user = at(found["Config"], "users", 0, "user")
    for pem in (
        at(found["ConfigMap"], "data", "server-cert.pem"),
        decoded(at(user, "client-certificate-data")),
    ):
        certificate(pem).verify_directly_issued_by(certificate(authority))
    assert text.count("PRIVATE KEY") == 0
    for key in (at(found["Secret"], "data", "server-key.pem"), at(user, "client-key-data")):
        assert decoded(key).startswith("-----BEGIN PRIVATE KEY-----\n")


async def test_the_flags_of_the_original_are_taken() -> None:
    found = by_kind(
        await right(
            *("-namespace", "identity", "-service=registrar", "-ttl", "0"),
            *("-ca-key-alg", "EC-P384", "-server-key-alg", "rsa-2048", "--client-key-alg=Ec-P521"),
        )
    )
    assert at(found["Secret"], "metadata", "namespace") == "identity"
    assert at(found["Config"], "users", 0, "name") == "registrar.identity.svc"
    server = certificate(at(found["ConfigMap"], "data", "server-cert.pem"))
    assert server.not_valid_after_utc == NEVER
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName)[0] == "registrar.identity.svc"


async def test_the_kubeconfigs_path_and_the_life_are_as_asked_for() -> None:
    found = by_kind(await right("--kubeconfig-path", "/srv/k", "--ttl", "1h30m"))
    plugin = at(found["AdmissionConfiguration"], "plugins", 0, "configuration")
    assert at(plugin, "kubeConfigFile") == "/srv/k"
    life = certificate(at(found["ConfigMap"], "data", "cacert.pem")).not_valid_after_utc
    assert abs(life - datetime.now(UTC) - timedelta(minutes=90)) < timedelta(minutes=1)


async def test_files_are_written_and_those_with_keys_are_the_owners_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    said = await right("--output-dir", str(folder))
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.keys() == SECRET | OPEN
    for name, mode in modes.items():
        assert f"wrote {folder / name}\n" in said
        assert (mode == 0o600) is (name in SECRET)
    for name in OPEN:
        assert "PRIVATE KEY" not in (folder / name).read_text()
    assert "PRIVATE KEY" not in said
    assert "kubectl apply" in said
    assert "--admission-control-config-file" in said
    assert set(by_kind((folder / "objects.yaml").read_text())) == {
        "ConfigMap",
        "Secret",
        "ValidatingWebhookConfiguration",
    }
    kubeconfig = by_kind((folder / "kubeconfig.yaml").read_text())["Config"]
    user = at(kubeconfig, "users", 0, "user")
    assert decoded(at(user, "client-key-data")) == (folder / "client-key.pem").read_text()
    assert "AdmissionConfiguration" in by_kind(
        (folder / "admission-configuration.yaml").read_text()
    )


async def test_files_that_are_there_are_left_alone_unless_forced(tmp_path: Path) -> None:
    mine = tmp_path / "server-key.pem"
    mine.write_text("mine")
    mine.chmod(0o644)
    code, out, err = await run("--output-dir", str(tmp_path))
    assert (code, out) == (2, "")
    assert f"--output-dir: '{tmp_path}': has server-key.pem: name another folder" in err
    assert "--force" in err
    assert list(mine.parent.iterdir()) == [mine]
    assert mine.read_text() == "mine"
    await right("--output-dir", str(tmp_path), "--force")
    assert mine.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert mine.stat().st_mode & 0o777 == 0o600


async def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.write_text("outside")
    folder.mkdir()
    (folder / "cacert.pem").symlink_to(outside)
    await right("--output-dir", str(folder), "--force")
    assert outside.read_text() == "outside"
    assert not (folder / "cacert.pem").is_symlink()


async def test_a_folder_that_cannot_be_is_an_error_of_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = await run("--output-dir", str(tmp_path / "file"))
    assert code == 2
    assert "--output-dir" in err
    assert "cannot write there" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("flag", "value", "remedy"),
    [
        ("--ttl", "1y", "unknown unit 'y', the units are ns, us, ms, s, m and h: write a duration"),
        ("--ttl", "-1h", "write a duration of at least 1s such as 8760h, or 0 for ever"),
        ("--ttl", "10ms", "write a duration of at least 1s such as 8760h, or 0 for ever"),
        ("--ca-key-alg", "dsa", "use one of rsa-2048, rsa-4096, ec-p224, ec-p256"),
        ("--server-key-alg", "ec", "use one of rsa-2048, rsa-4096, ec-p224, ec-p256"),
        ("--client-key-alg", "", "use one of rsa-2048, rsa-4096, ec-p224, ec-p256"),
        ("--namespace", "Spire", "use at most 63 lower case letters, digits and '-'"),
        ("--service", "a.b", "use at most 63 lower case letters, digits and '-'"),
        ("--kubeconfig-path", "here", "write a path that begins with '/'"),
    ],
)
async def test_a_bad_flag_is_named_with_its_value_and_the_remedy(
    flag: str, value: str, remedy: str
) -> None:
    code, out, err = await run(f"{flag}={value}")
    assert (code, out) == (2, "")
    assert err.startswith(f"spire-registrar: {flag}: {value!r}: ")
    assert remedy in err


async def test_a_curve_that_tls_has_given_up_brings_a_warning() -> None:
    code, out, err = await run("--server-key-alg", "ec-p224")
    assert code == 0
    assert "ConfigMap" in by_kind(out)
    assert "--server-key-alg: 'ec-p224'" in err
    assert "use ec-p256" in err


async def test_the_help_says_what_becomes_of_the_authoritys_key() -> None:
    said = " ".join((await right("--help")).split())
    assert "authority's private key is never written" in said
    assert ", ".join(KEY_ALGORITHMS) in said


@pytest.mark.parametrize("algorithm", ["ec-p256", "ec-p521", "rsa-2048"])
async def test_the_registrar_and_the_api_server_trust_each_other(
    tmp_path: Path, algorithm: str
) -> None:
    flags = [f"--{key}-key-alg={algorithm}" for key in ("ca", "server", "client")]
    await right("--output-dir", str(tmp_path), *flags)
    tls = await MutualTLS.load(
        tmp_path / "server-cert.pem", tmp_path / "server-key.pem", tmp_path / "cacert.pem"
    )
    context = ssl.create_default_context(cafile=tmp_path / "cacert.pem")
    # As newer versions of Python do by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with (
        serve(
            "127.0.0.1",
            0,
            context=tls.context,
            validators={"/validate": lambda _: settled(ALLOWED)},
        ) as port,
        aiohttp.ClientSession() as http,
    ):
        url = f"https://127.0.0.1:{port}/validate"
        with pytest.raises(aiohttp.ClientError):
            await http.post(url, data=REVIEW, ssl=context, server_hostname=HOST)
        context.load_cert_chain(tmp_path / "client-cert.pem", tmp_path / "client-key.pem")
        for name in (HOST, f"{HOST}.cluster.local"):
            async with http.post(url, data=REVIEW, ssl=context, server_hostname=name) as response:
                assert response.status == 200
