"""What a SPIRE server holds, read by requests of our own over its private socket.

Field numbers are those of SPIRE's own API, github.com/spiffe/spire-api-sdk, typed anew here.
"""

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from hack.soak import wire

_SECONDS = 3.0
_ENTRY = "/spire.api.server.entry.v1.Entry"
_BUNDLE = "/spire.api.server.bundle.v1.Bundle"
_TRUST_DOMAIN = "/spire.api.server.trustdomain.v1.TrustDomain"

LookError = grpc.RpcError
"""Raised by every look while the server does not answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """What SPIRE holds once: who, by whom, for what looks like this (``type:value``, sorted)."""

    spiffe_id: str
    parent_id: str
    selectors: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.spiffe_id} [{' '.join(self.selectors)}] by {self.parent_id}"


@dataclasses.dataclass(frozen=True, slots=True)
class Attributes:
    """What an entry says besides its key; ``federates_with`` is sorted."""

    x509_ttl: int = 0
    jwt_ttl: int = 0
    federates_with: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    admin: bool = False
    downstream: bool = False
    store_svid: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An entry on the server."""

    id: str
    key: Key
    attributes: Attributes
    revision: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Relationship:
    """Whom the server federates with; ``endpoint_id`` is empty with ``https_web``."""

    trust_domain: str
    url: str
    endpoint_id: str = ""


class SpireLook:
    """Looks at one server; a context manager. Not hindered by the proxies."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel: grpc.Channel | None = None

    def __enter__(self) -> Self:
        """Open the connection, whether or not somebody listens."""
        options = [
            ("grpc.default_authority", "localhost"),
            ("grpc.max_receive_message_length", -1),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._channel = grpc.insecure_channel(f"unix:{self._socket}", options=options)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        if self._channel is not None:
            self._channel.close()

    def entries(self) -> list[Entry]:
        """Return every entry; one page, so that all are of one moment."""
        return [_entry(each) for each in wire.messages(self._ask(f"{_ENTRY}/ListEntries"), 1)]

    def delete(self, entry_id: str) -> None:
        """Delete an entry as somebody would who has nothing to do with us."""
        self._ask(f"{_ENTRY}/BatchDeleteEntry", wire.encode(1, entry_id))

    def relationships(self) -> dict[str, Relationship]:
        """Return whom it federates with."""
        answer = self._ask(f"{_TRUST_DOMAIN}/ListFederationRelationships")
        found = [_relationship(each) for each in wire.messages(answer, 1)]
        return {each.trust_domain: each for each in found}

    def bundles(self) -> set[str]:
        """Return the trust domains whose bundle it holds."""
        answer = self._ask(f"{_BUNDLE}/ListFederatedBundles")
        return {wire.text(each, 1) for each in wire.messages(answer, 1)}

    def _ask(self, method: str, request: bytes = b"") -> wire.Message:
        if self._channel is None:
            raise RuntimeError("it is not open")
        call = self._channel.unary_unary(method, _same, _same)
        return wire.decode(call(request, timeout=_SECONDS))


def _same(data: bytes) -> bytes:
    return data


def _entry(message: wire.Message) -> Entry:
    selectors = [f"{wire.text(s, 1)}:{wire.text(s, 2)}" for s in wire.messages(message, 4)]
    return Entry(
        id=wire.text(message, 1),
        key=Key(_spiffe_id(message, 2), _spiffe_id(message, 3), tuple(sorted(selectors))),
        attributes=Attributes(
            x509_ttl=wire.integer(message, 5),
            jwt_ttl=wire.integer(message, 13),
            federates_with=tuple(sorted(wire.texts(message, 6))),
            dns_names=tuple(wire.texts(message, 10)),
            admin=bool(wire.integer(message, 7)),
            downstream=bool(wire.integer(message, 8)),
            store_svid=bool(wire.integer(message, 12)),
            hint=wire.text(message, 14),
        ),
        revision=wire.integer(message, 11),
    )


def _spiffe_id(message: wire.Message, number: int) -> str:
    (found,) = wire.messages(message, number)
    return f"spiffe://{wire.text(found, 1)}{wire.text(found, 2)}"


def _relationship(message: wire.Message) -> Relationship:
    endpoint = [wire.text(each, 1) for each in wire.messages(message, 4)]
    return Relationship(wire.text(message, 1), wire.text(message, 2), "".join(endpoint))
