"""The SPIFFE Workload API of a pretended agent: SVIDs of one workload, with rotation on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from api.proto import workload_pb2, workload_pb2_grpc
from devcluster.spire.authority import SVID, Authority
from devcluster.spire.jwtauthority import JWTAuthority
from devcluster.spire.service import ServicerContext, hang_up, listen

_JWT_TTL_SECONDS = 300
_HEADER = ("workload.spiffe.io", "true")


class WorkloadAPI(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """Gives every caller the SVID of one SPIFFE ID. Make it with ``serve``.

    ``svid`` is the current one, None when there is none to give: then callers
    are refused, as an agent refuses a workload without an entry.
    """

    def __init__(self, *, socket_path: Path, authority: Authority, spiffe_id: str) -> None:
        self.socket_path = socket_path
        self.authority = authority
        self.spiffe_id = spiffe_id
        self.svid: SVID | None = authority.issue(spiffe_id)
        self.jwt_authority = JWTAuthority("jwt-1")
        self.federates_with: list[WorkloadAPI] = []
        """Agents of other trust domains, whose bundles callers get too."""
        self.streams = 0
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def serve(
        cls, *, socket_path: Path, authority: Authority, spiffe_id: str
    ) -> AsyncIterator["WorkloadAPI"]:
        """Serve on a unix socket until the block is left."""
        workload_api = cls(socket_path=socket_path, authority=authority, spiffe_id=spiffe_id)
        await workload_api.start()
        try:
            yield workload_api
        finally:
            await workload_api.stop()

    async def start(self) -> None:
        """Serve on the same socket as before."""
        server = grpc.aio.server()
        workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(self, server)
        await listen(server, self.socket_path)
        self._server = server

    async def stop(self) -> None:
        """Break all streams and leave the socket."""
        server, self._server = self._server, None
        await hang_up(server, self.socket_path)

    def rotate(self) -> SVID:
        """Issue a new SVID and send it down every open stream."""
        return self.give(self.authority.issue(self.spiffe_id))

    def give(self, svid: SVID) -> SVID:
        """Send that SVID down every open stream and to new callers."""
        self.svid = svid
        self._change()
        return svid

    def rotate_jwt(self, key_id: str) -> JWTAuthority:
        """Sign tokens with another key from now on, and send it down every open stream."""
        self.jwt_authority = JWTAuthority(key_id)
        self._change()
        return self.jwt_authority

    def federate(self, other: "WorkloadAPI") -> None:
        """Give the bundle of another trust domain too, to everybody at once."""
        self.federates_with.append(other)
        self._change()

    def withdraw(self) -> None:
        """End every open stream and refuse new callers."""
        self.svid = None
        self._change()

    async def FetchX509SVID(
        self, request: workload_pb2.X509SVIDRequest, context: ServicerContext
    ) -> AsyncIterator[workload_pb2.X509SVIDResponse]:
        """The SVID now, and again whenever it changes."""
        await self._check(context)
        self.streams += 1
        try:
            while True:
                changed, svid = self._changed, self.svid
                if svid is None:
                    await _deny(context)
                else:
                    yield self._response(svid)
                await changed.wait()
        finally:
            self.streams -= 1

    async def FetchX509Bundles(
        self, request: workload_pb2.X509BundlesRequest, context: ServicerContext
    ) -> AsyncIterator[workload_pb2.X509BundlesResponse]:
        """The bundle of the trust domain, once."""
        await self._check(context)
        name = f"spiffe://{self.authority.trust_domain}"
        yield workload_pb2.X509BundlesResponse(bundles={name: self.authority.certificate_der})
        await asyncio.Event().wait()

    async def FetchJWTSVID(
        self, request: workload_pb2.JWTSVIDRequest, context: ServicerContext
    ) -> workload_pb2.JWTSVIDResponse:
        """A token for the audiences that are asked for."""
        await self._check(context)
        if not request.audience:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "audience must be specified")
        if self.svid is None or request.spiffe_id not in {"", self.spiffe_id}:
            await _deny(context)
        made = self.jwt_authority.sign(
            self.spiffe_id, request.audience, ttl_seconds=_JWT_TTL_SECONDS
        )
        svid = workload_pb2.JWTSVID(spiffe_id=self.spiffe_id, svid=made.token)
        return workload_pb2.JWTSVIDResponse(svids=[svid])

    async def FetchJWTBundles(
        self, request: workload_pb2.JWTBundlesRequest, context: ServicerContext
    ) -> AsyncIterator[workload_pb2.JWTBundlesResponse]:
        """The keys of the trust domains now, and again whenever something changes."""
        await self._check(context)
        while True:
            changed = self._changed
            yield workload_pb2.JWTBundlesResponse(
                bundles={
                    f"spiffe://{each.authority.trust_domain}": each.jwt_authority.jwks()
                    for each in (self, *self.federates_with)
                }
            )
            await changed.wait()

    async def ValidateJWTSVID(
        self, request: workload_pb2.ValidateJWTSVIDRequest, context: ServicerContext
    ) -> workload_pb2.ValidateJWTSVIDResponse:
        """Not served: nothing here validates tokens by the agent."""
        raise NotImplementedError

    def FetchWITSVID(
        self, request: workload_pb2.WITSVIDRequest, context: ServicerContext
    ) -> AsyncIterator[workload_pb2.WITSVIDResponse]:
        """Not served: nothing here needs WIT SVIDs."""
        raise NotImplementedError

    def FetchWITBundles(
        self, request: workload_pb2.WITBundlesRequest, context: ServicerContext
    ) -> AsyncIterator[workload_pb2.WITBundlesResponse]:
        """Not served: nothing here needs WIT SVIDs."""
        raise NotImplementedError

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _check(self, context: ServicerContext) -> None:
        """Without the header the caller may be a browser that was tricked: the specification."""
        if _HEADER not in [(str(key), value) for key, value in context.invocation_metadata() or ()]:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request"
            )

    def _response(self, svid: SVID) -> workload_pb2.X509SVIDResponse:
        return workload_pb2.X509SVIDResponse(
            svids=[
                workload_pb2.X509SVID(
                    spiffe_id=svid.spiffe_id,
                    x509_svid=svid.certificate_der,
                    x509_svid_key=svid.key_der,
                    bundle=self.authority.certificate_der,
                )
            ],
            federated_bundles={
                f"spiffe://{each.authority.trust_domain}": each.authority.certificate_der
                for each in self.federates_with
            },
        )


async def _deny(context: ServicerContext) -> None:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
