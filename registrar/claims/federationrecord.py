"""What is remembered of each trust domain that we federate with, and the text that holds it.

A federation relationship on the SPIRE server has no place for a mark, so a
record beside it says which ones we made. ``controllers.federationrecord`` keeps
the text; nothing here waits or calls anybody.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from api.codec import decode
from registrar.identity.bundle import Bundle

NO_BUNDLE = "none"
"""The hash of a bundle that is not given at all; the empty text means that nobody knows."""


@dataclass(frozen=True, slots=True)
class Noted:
    """One trust domain. We made its ``relationship``, its ``bundle`` alone, or neither.

    ``seed`` is the hash of the bundle that its object gave when that counted last.
    """

    relationship: bool = False
    bundle: bool = False
    seed: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether we made anything that the SPIRE server holds."""
        return self.relationship or self.bundle


class _Row(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    made: tuple[str, ...] = ()
    trust_domain_bundle_hash: str = ""


def bundle_hash(bundle: Bundle | None) -> str:
    """The same for bundles that vouch for the same SVIDs, in whatever order or spelling."""
    if bundle is None:
        return NO_BUNDLE
    digest = hashlib.sha256()
    keys = [(b"x509", b"", der) for der in bundle.x509_authorities]
    keys += [(b"jwt", key_id.encode(), der) for key_id, der in bundle.jwt_authorities]
    for key in sorted(set(keys)):
        for part in key:
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


def dump_record(noted: Mapping[str, Noted]) -> str:
    """The text of a record; ``parse_record`` reads it back."""
    rows = {
        name: _Row(
            made=tuple(what for what in ("relationship", "bundle") if getattr(row, what)),
            trust_domain_bundle_hash=row.seed,
        )
        for name, row in sorted(noted.items())
    }
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()


def parse_record(text: str) -> dict[str, Noted]:
    """Read a record. Raises DecodeError for what is none."""
    rows = decode(text, dict[str, _Row])
    return {
        name: Noted("relationship" in row.made, "bundle" in row.made, row.trust_domain_bundle_hash)
        for name, row in rows.items()
    }


def is_given(wanted: str, *, known: str, is_held: bool, is_linked: bool, was_ready: bool) -> bool:
    """Whether the server is to be given the bundle of an object, whose hash is ``wanted``.

    A bundle only begins a relationship: what the server fetched since is
    fresher. So it is given where the server holds none, and where the object's
    has changed. ``known`` is the hash that counted last, empty where nobody
    knows it; then only a new relationship gets one: not one that is there
    already (``is_linked``), and not that of an object which an earlier version
    has set (``was_ready``).
    """
    if wanted == NO_BUNDLE:
        return False
    if not is_held:
        return True
    if known:
        return known != wanted
    return not is_linked and not was_ready
