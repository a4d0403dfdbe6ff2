"""Our own X.509 SVID, from the SPIFFE Workload API of the agent on this node.

One stream, followed for as long as the process lives: the agent sends the
SVID at once and again whenever it is rotated. Keys stay in memory.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from api.proto import workload_pb2, workload_pb2_grpc
from registrar.identity.spiffeid import SCHEME, trust_domain_of
from registrar.spire.der import BrokenDER, split_der
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_METADATA = (("workload.spiffe.io", "true"),)
_FIRST_MESSAGE_SECONDS = 30.0
# An agent hears of new entries every 5 s: to ask much less often would only make a start longer.
_LONGEST_WAIT_SECONDS = 5.0
_LOG_EVERY = 100
_REOPEN_SECONDS = 0.5
_NO_ENTRY = (
    "the agent has no entry for this registrar, or has not heard of it yet; "
    "make one with -admin on the SPIRE server"
)


@dataclass(frozen=True, slots=True)
class X509Identity:
    """An X.509 SVID with its key, and whom to believe: all DER.

    ``chain`` starts with the leaf; ``authorities`` are those of the trust
    domain that was asked for, empty when the agent does not know them.
    """

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes
    authorities: tuple[bytes, ...]


class NoIdentityError(Exception):
    """The Workload API gave nothing that can be used."""


class X509Source:
    """Follows the Workload API while ``run`` runs.

    ``authorities_of`` is the trust domain whose servers are to be believed;
    ``on_change`` is called, on the loop, with each new identity.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        authorities_of: str,
        on_change: Callable[[X509Identity], None] = lambda _: None,
    ) -> None:
        self._socket_path = socket_path
        self._authorities_of = authorities_of
        self._on_change = on_change
        self._known = asyncio.Event()
        self._is_missed = False
        self.current: X509Identity | None = None
        self.problem = "the Workload API has not answered yet"

    async def identity(self) -> X509Identity:
        """The current identity; waits for the first one."""
        while self.current is None:
            await self._known.wait()
        return self.current

    async def run(self) -> None:
        """Follow until cancelled; a stream that ends is opened again, with back-off."""
        address = f"unix:{self._socket_path}"
        options = [
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 5000),
            ("grpc.default_authority", "localhost"),
        ]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            while True:
                retrying = AsyncRetrying(
                    retry=retry_if_exception_type(
                        (grpc.aio.AioRpcError, NoIdentityError, TimeoutError)
                    ),
                    wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_WAIT_SECONDS),
                    before_sleep=self._failed,
                )
                async for attempt in retrying:
                    with attempt:
                        await self._follow(channel)
                # It gave us something before it ended: no back-off, but no rush either.
                await asyncio.sleep(_REOPEN_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        """One stream to its end. Raises only when it ends before the first identity."""
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        stream = stub.FetchX509SVID(workload_pb2.X509SVIDRequest(), metadata=_METADATA)
        messages = aiter(stream)
        try:
            async with asyncio.timeout(_FIRST_MESSAGE_SECONDS):
                self._take(await anext(messages, None))
            try:
                async for message in messages:
                    self._take(message)
            except (grpc.aio.AioRpcError, NoIdentityError) as error:
                log.info("Workload API stream ended", extra=kv(why=_why(error)))
        finally:
            stream.cancel()

    def _take(self, message: workload_pb2.X509SVIDResponse | None) -> None:
        identity = identity_of(message, self._authorities_of)
        self.problem = ""
        if self._is_missed:
            self._is_missed = False
            log.info("the Workload API gave an SVID", extra=kv(spiffe_id=identity.spiffe_id))
        if identity == self.current:
            return
        self.current = identity
        self._known.set()
        self._on_change(identity)

    def _failed(self, state: RetryCallState) -> None:
        outcome = state.outcome
        error = outcome.exception() if outcome is not None else None
        why = _why(error)
        if self.current is None:
            self.problem = f"no SVID from the Workload API at {self._socket_path}: {why}"
        # The first failure, then every few minutes.
        if state.attempt_number == 1 or state.attempt_number % _LOG_EVERY == 0:
            self._is_missed = True
            log.warning(
                "no SVID from the Workload API",
                extra=kv(socket=str(self._socket_path), why=why, attempt=state.attempt_number),
            )


def identity_of(message: workload_pb2.X509SVIDResponse | None, authorities_of: str) -> X509Identity:
    """The default SVID of a message: the first. Raises NoIdentityError for none or nonsense."""
    if message is None or not message.svids:
        raise NoIdentityError("the Workload API sent no SVID")
    svid = message.svids[0]
    if authorities_of == trust_domain_of(svid.spiffe_id):
        bundle = svid.bundle
    else:
        bundle = message.federated_bundles.get(f"{SCHEME}{authorities_of}", b"")
    try:
        chain, authorities = split_der(svid.x509_svid), split_der(bundle)
    except BrokenDER as error:
        raise NoIdentityError(f"the Workload API sent {error}") from error
    if not chain or not svid.x509_svid_key:
        raise NoIdentityError("the Workload API sent an SVID without certificate or key")
    return X509Identity(svid.spiffe_id, chain, svid.x509_svid_key, authorities)


def _why(error: BaseException | None) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        said = error.details() or error.code().name
        return f"{said}: {_NO_ENTRY}" if error.code() == grpc.StatusCode.PERMISSION_DENIED else said
    return str(error) or type(error).__name__
