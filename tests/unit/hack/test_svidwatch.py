"""The watcher of SVID volumes finds what it is there to find."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hack.node.svidwatch import BUNDLE, CERTIFICATE, KEY, SVIDWatch, Watched
from tests.support.waiting import until

pytestmark = pytest.mark.slow  # the watcher looks a few times a second

_ID = "spiffe://example.org/fleet/web-1"
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
_Key = ec.EllipticCurvePrivateKey


@dataclass
class _Volume:
    """A volume, written as the driver does: a folder for each version, and a link to it."""

    folder: Path
    authority: _Key
    number: int = 0

    def write(
        self, *, spiffe_id: str = _ID, seconds: int = 60, key: _Key | None = None, age: int = 10
    ) -> None:
        own = ec.generate_private_key(ec.SECP256R1())
        version = self.folder / f"..v{self.number}"
        version.mkdir()
        leaf = _certificate(own, self.authority, seconds=seconds, spiffe_id=spiffe_id, age=age)
        (version / CERTIFICATE).write_bytes(_pem(leaf))
        (version / KEY).write_bytes(
            (key or own).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (version / BUNDLE).write_bytes(_pem(_certificate(self.authority, self.authority)))
        following = self.folder / "..next"
        following.symlink_to(version.name)
        following.rename(self.folder / "..data")
        self.number += 1
        for name in (CERTIFICATE, KEY, BUNDLE):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")

    def spoil(self, name: str, *, keep: int) -> None:
        """Leave so many bytes of a file."""
        path = (self.folder / name).resolve()
        path.write_bytes(path.read_bytes()[:keep])


@pytest.fixture
def volume(tmp_path: Path) -> _Volume:
    made = _Volume(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    made.write()
    return made


@pytest.fixture
def watch(volume: _Volume) -> Iterator[SVIDWatch]:
    with SVIDWatch() as watch:
        watch.add([Watched("web-1", volume.folder, _ID)])
        yield watch


async def test_nothing_is_wrong_with_rotations(volume: _Volume, watch: SVIDWatch) -> None:
    for _ in range(3):
        await until(lambda: watch.serials()["web-1"] != 0)
        before = watch.serials()
        volume.write()
        await until(lambda before=before: watch.serials() != before)  # type: ignore[misc]
    assert watch.faults() == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        pytest.param(lambda v: (v.folder / KEY).unlink(), "No such file", id="missing"),
        pytest.param(lambda v: v.spoil(BUNDLE, keep=0), "not whole", id="empty"),
        pytest.param(lambda v: v.spoil(CERTIFICATE, keep=99), "not whole", id="half-written"),
        pytest.param(lambda v: v.write(spiffe_id=_ID + "0"), "another's SVID", id="another-name"),
        pytest.param(lambda v: v.write(key=v.authority), "another certificate's", id="other-key"),
        pytest.param(lambda v: v.write(seconds=1), "has expired", id="expired"),
        pytest.param(lambda v: v.write(age=60), "older than the one before it", id="older"),
    ],
)
async def test_it_keeps_what_was_wrong_for_a_moment(
    volume: _Volume, watch: SVIDWatch, what: Callable[[_Volume], None], words: str
) -> None:
    await until(lambda: watch.serials()["web-1"] != 0)
    what(volume)
    looks = watch.looks
    found: list[str] = []

    def is_found() -> bool:
        found.extend(watch.faults())
        return any(words in fault for fault in found)

    await until(is_found)
    assert watch.looks > looks
    watch.leave(["web-1"])


async def test_what_nobody_could_renew_may_expire(volume: _Volume, watch: SVIDWatch) -> None:
    watch.may_expire = True
    before = watch.serials()
    volume.write(seconds=-1)
    await until(lambda: watch.serials() != before)
    looks = watch.looks
    await until(lambda: watch.looks > looks + 1)
    assert watch.faults() == []
    watch.may_expire = False
    await until(lambda: any("has expired" in fault for fault in watch.faults()))


async def test_a_chain_that_does_not_lead_to_the_bundle_is_a_fault(
    volume: _Volume, watch: SVIDWatch
) -> None:
    await until(lambda: watch.serials()["web-1"] != 0)
    ours = _pem(_certificate(volume.authority, volume.authority))
    volume.authority = ec.generate_private_key(ec.SECP256R1())
    volume.write()
    (volume.folder / BUNDLE).resolve().write_bytes(ours)
    await until(lambda: any("does not lead to the bundle" in fault for fault in watch.faults()))


def _certificate(
    key: _Key, issuer: _Key, *, seconds: int = 3600, spiffe_id: str = "", age: int = 10
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    name = x509.UniformResourceIdentifier(spiffe_id or "spiffe://example.org")
    return (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(seconds=age))
        .not_valid_after(now + dt.timedelta(seconds=seconds))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(issuer, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
