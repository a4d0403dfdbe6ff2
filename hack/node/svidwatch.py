"""Watches SVID volumes on a real node, from the host's side, a few times a second.

It looks as readers do: by the visible names, and in the folder that ``..data`` leads to. What is
wrong at any look is kept until somebody asks.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from hack.background import Background

CERTIFICATE, KEY, BUNDLE = "svid.pem", "svid_key.pem", "bundle.pem"
NAMES = (CERTIFICATE, KEY, BUNDLE)
_PAUSE_SECONDS = 0.2
_TRIES = 5
_EVER, _NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_EXPIRED = "the SVID has expired"


class Watched(NamedTuple):
    """A volume, and the SPIFFE ID of the Pod that it belongs to."""

    pod: str
    folder: Path
    spiffe_id: str


@dataclass
class _Fault:
    """What was wrong, first and last, and how often."""

    first: datetime
    last: datetime
    times: int = 1

    def __str__(self) -> str:
        return f"{self.times} times, {self.first:%H:%M:%S.%f} to {self.last:%H:%M:%S.%f}"


@dataclass
class _Seen:
    """What the last look at a volume found: the same bytes need no other look."""

    files: tuple[bytes, ...] = ()
    begins: datetime = _EVER
    ends: datetime = _NEVER
    why: str = ""
    serial: int = 0


class SVIDWatch(Background):
    """Looks for the time of the block; ``add`` and ``leave`` say at what."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._volumes: dict[str, Watched] = {}
        self._seen: dict[str, _Seen] = {}
        self._faults: dict[tuple[str, str], _Fault] = {}
        super().__init__("svid-watch")
        self.looks = 0
        self.may_expire = False
        """Whether nobody could have renewed an SVID: the agent, or who signs for it, is away."""

    def add(self, volumes: Iterable[Watched]) -> None:
        """From now on these volumes must be right at every moment."""
        with self._lock:
            self._volumes |= {volume.pod: volume for volume in volumes}

    def leave(self, pods: Iterable[str]) -> None:
        """From now on nothing is expected of the volumes of these Pods."""
        with self._lock:
            for pod in pods:
                self._volumes.pop(pod, None)
                self._seen.pop(pod, None)

    def serials(self) -> dict[str, int]:
        """The serial number of the certificate that each Pod has now; 0 before the first look."""
        with self._lock:
            return {pod: self._seen.get(pod, _Seen()).serial for pod in self._volumes}

    def expired(self) -> list[str]:
        """The Pods whose SVID has expired, as it was seen last."""
        now = datetime.now(UTC)
        with self._lock:
            return [
                pod for pod in self._volumes if pod in self._seen and self._seen[pod].ends <= now
            ]

    def faults(self) -> list[str]:
        """Everything that was wrong at some moment since the last call."""
        with self._lock:
            found, self._faults = self._faults, {}
        return [f"{pod}: {why} ({fault})" for (pod, why), fault in sorted(found.items())]

    def _run(self) -> None:
        while not self._ends.wait(_PAUSE_SECONDS):
            with self._lock:
                volumes = list(self._volumes.values())
            for volume in volumes:
                seen = self._seen.get(volume.pod) or _Seen()
                why = _look(volume, seen)
                with self._lock:
                    # Somebody may have said meanwhile that the Pod goes.
                    if self._volumes.get(volume.pod) == volume:
                        self._seen[volume.pod] = seen
                        if why and not (why == _EXPIRED and self.may_expire):
                            self._note(volume.pod, why)
            self.looks += 1

    def _note(self, pod: str, why: str) -> None:
        now = datetime.now(UTC)
        fault = self._faults.setdefault((pod, why), _Fault(now, now, 0))
        fault.last, fault.times = now, fault.times + 1


def _look(volume: Watched, seen: _Seen) -> str:
    """What is wrong with a volume now; empty for nothing."""
    try:
        for name in NAMES:
            if not (volume.folder / name).read_bytes().endswith(b"-----\n"):
                return f"{name} is not whole"
        files = _of_one_moment(volume.folder)
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}: {Path(str(error.filename)).name}"
    if files != seen.files:
        seen.files = files
        try:
            leaf, seen.why = _examined(files, volume.spiffe_id)
        except ValueError as error:
            seen.why = f"unreadable: {error}"
        else:
            if leaf.not_valid_before_utc < seen.begins:
                seen.why = seen.why or "the SVID is older than the one before it"
            seen.begins, seen.ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
            seen.serial = leaf.serial_number
    return seen.why or (_EXPIRED if seen.ends <= datetime.now(UTC) else "")


def _of_one_moment(folder: Path) -> tuple[bytes, ...]:
    """All files of one version, as a reader must take them. Raises OSError."""
    for _ in range(_TRIES):
        # We may be asleep between the two for longer than the old version stays.
        with suppress(FileNotFoundError):
            return _of_version(folder)
    return _of_version(folder)


def _of_version(folder: Path) -> tuple[bytes, ...]:
    version = folder / (folder / "..data").readlink()
    return tuple((version / name).read_bytes() for name in NAMES)


def _examined(files: tuple[bytes, ...], spiffe_id: str) -> tuple[x509.Certificate, str]:
    """The SVID's certificate, and what is wrong with what came with it. Raises ValueError."""
    certificate, key, bundle = files
    chain = x509.load_pem_x509_certificates(certificate)
    leaf = chain[0]
    private = serialization.load_pem_private_key(key, None)
    if private.public_key() != leaf.public_key():
        return leaf, "the key is another certificate's"
    if leaf.not_valid_before_utc > datetime.now(UTC):
        return leaf, "the SVID is not valid yet"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    if found != [spiffe_id]:
        return leaf, f"another's SVID: {found}, not {spiffe_id}"
    if not _is_trusted(chain, x509.load_pem_x509_certificates(bundle)):
        return leaf, "the chain does not lead to the bundle beside it"
    return leaf, ""


def _is_trusted(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> bool:
    links = all(_issued(*pair) for pair in pairwise(chain))
    return links and any(_issued(chain[-1], root) for root in roots)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    now = datetime.now(UTC)
    if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
