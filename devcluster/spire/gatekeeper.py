"""Stands before every call: counts it, lets faults act, and checks who calls.

As in real servers the unix socket is open to whoever reaches it; over TCP the
caller must show an SVID that belongs to an ``admin`` entry, and what agents
ask for is not for anybody else.
"""

from __future__ import annotations  # grpc has type parameters in its stubs only

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, TypeVar, cast

import grpc
from cryptography import x509
from google.protobuf.message import Message

from devcluster.spire.faults import Faults
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort
from devcluster.spire.state import EntryState

_FOR_AGENTS = frozenset({"GetAuthorizedEntries", "SyncAuthorizedEntries"})

Request = TypeVar("Request")
Response = TypeVar("Response")
Make: TypeAlias = "Callable[[object, object, object], grpc.RpcMethodHandler[Request, Response]]"
Serve: TypeAlias = Callable[[object, ServicerContext], Awaitable[Message]]


class Gatekeeper(grpc.aio.ServerInterceptor):
    """The interceptor of one server."""

    def __init__(self, state: EntryState, faults: Faults, calls: Counter[str]) -> None:
        self._state = state
        self._faults = faults
        self._calls = calls

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Response] | None:
        """Wrap the handler of a call; a method that is not served stays so."""
        handler = await continuation(handler_call_details)
        full_name = handler_call_details.method
        method = full_name.rpartition("/")[2]
        self._calls[method] += 1
        if handler is None:
            return None
        # The stubs know synchronous handlers only; ours are coroutines.
        serve = cast("Serve", handler.unary_unary)

        async def guarded(request: object, context: ServicerContext) -> Message:
            try:
                self._admit(method, full_name, context)
                await self._faults.before_call(method)
            except Refusal as refusal:
                await abort(context, refusal)
            return await serve(request, context)

        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        make = cast("Make[Request, Response]", kind)
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    def _admit(self, method: str, full_name: str, context: ServicerContext) -> None:
        if method not in _FOR_AGENTS:
            if context.peer().startswith("unix:"):
                return
            if any(self._state.is_admin(spiffe_id) for spiffe_id in _spiffe_ids(context)):
                return
        raise Refusal(
            f"authorization denied for method {full_name}", grpc.StatusCode.PERMISSION_DENIED
        )


def _spiffe_ids(context: ServicerContext) -> list[str]:
    properties: Mapping[str, object] = context.auth_context()
    certificates = cast("list[bytes]", properties.get("x509_pem_cert", []))
    found = []
    for pem in certificates:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        found += names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return found
