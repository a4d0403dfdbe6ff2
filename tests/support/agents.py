"""An agent without a socket, for what is decided by its answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from devcluster.spire.authority import Authority
from devcluster.spire.jwtauthority import JWTAuthority
from topology.checks.check import Untrue
from topology.checks.token import jwt_keys_of, verify_token
from topology.workloadapi import X509SVID, Unanswered, X509Answer


class StandInAgent:
    """Gives one identity, signed by the first of its authorities, and knows all of them."""

    def __init__(self, spiffe_id: str, authority: Authority, keys: Sequence[JWTAuthority]) -> None:
        self.spiffe_id = spiffe_id
        self.authority = authority
        self.keys = list(keys)
        self.believes_everything = False

    async def x509(self) -> X509Answer:
        svid = self.authority.issue(self.spiffe_id)
        name = self.authority.trust_domain
        return X509Answer(
            (X509SVID(self.spiffe_id, (svid.certificate_der,), svid.key_der),),
            {name: (self.authority.certificate_der,)},
        )

    async def token(self, audience: str) -> str:
        return self.keys[0].sign(self.spiffe_id, [audience], ttl_seconds=60).token

    async def jwt_keys(self) -> Mapping[str, bytes]:
        sets = [key.jwks().removeprefix(b'{"keys": [').removesuffix(b"]}") for key in self.keys]
        return {self.authority.trust_domain: b'{"keys": [' + b",".join(sets) + b"]}"}

    async def validate(self, token: str, audience: str) -> str:
        if self.believes_everything:
            return self.spiffe_id
        name = self.authority.trust_domain
        keys = jwt_keys_of((await self.jwt_keys())[name], name)
        try:
            found = verify_token(
                token, list(keys.items()), audience=audience, now=datetime.now(UTC)
            )
        except Untrue as error:
            raise Unanswered(str(error)) from error
        return found.subject
