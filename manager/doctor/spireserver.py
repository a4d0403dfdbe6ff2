"""The SPIRE server: whether it answers, serves our trust domain, and lets us in."""

from contextlib import aclosing

from api.proto.types_pb2 import EntryMask
from manager.doctor.authorities import lasting
from manager.doctor.finding import Finding, error, ok, warning
from manager.doctor.world import CALL_SECONDS, World
from registrar.settings.model import UnixAddress
from registrar.spire.channel import Connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import PermissionDenied, SpireError

REACHED, TRUST_DOMAIN, ACCESS, AUTHORITY = (
    "spire-server",
    "trust-domain",
    "spire-access",
    "spire-authority",
)


async def reached(world: World) -> list[Finding]:
    """Whether it answers; SPIRE has no call that tells its version."""
    address = world.settings.spire
    where = (
        str(address.path) if isinstance(address, UnixAddress) else f"{address.host}:{address.port}"
    )
    try:
        await world.trust_domain()
    except PermissionDenied:
        pass
    except SpireError as problem:
        return [
            error(
                REACHED,
                f"the SPIRE server does not answer at {where}: {problem.message}",
                meaning="no entry can be set or taken away; what is there stays, and is retried",
                remedy=_remedy(world),
                runbook="the-spire-server-is-not-reached-or-the-wrong-replica-leads",
            )
        ]
    return [
        ok(
            REACHED,
            f"the SPIRE server answers at {where}",
            meaning="its version is not known: no call of its API tells it",
        )
    ]


def _remedy(world: World) -> str:
    address = world.settings.spire
    if isinstance(address, UnixAddress):
        return (
            "is the server up, and is this run where its socket is (beside the server, as the "
            "registrar is)?"
        )
    return (
        f"is the server up, and does an agent serve the Workload API at "
        f"{address.workload_api_socket} here, with an SVID for whoever runs this?"
    )


async def trust_domain(world: World) -> list[Finding]:
    """Whether both sides mean the same trust domain."""
    await world.spire()
    theirs, ours = await world.trust_domain(), world.settings.trust_domain
    theirs = theirs.removeprefix("spiffe://")
    if theirs == ours:
        return [ok(TRUST_DOMAIN, f"both sides serve the trust domain {ours}")]
    return [
        error(
            TRUST_DOMAIN,
            f"the SPIRE server serves {theirs}, and the configuration says {ours}",
            meaning="the server refuses every entry of ours",
            remedy=f"write trust_domain (trustDomain) {theirs}, or name the other server",
        )
    ]


async def access(world: World) -> list[Finding]:
    """Whether it lets us see entries, which only admins and its own socket may."""
    connection = await _even_if_refused(world)
    client = EntryClient(connection, timeout_seconds=CALL_SECONDS, gate=lambda: False)
    try:
        pages = client.pages(mask=EntryMask(), page_size=1)
        async with aclosing(pages):
            async for _ in pages:
                break
    except PermissionDenied as problem:
        return [
            error(
                ACCESS,
                f"the SPIRE server does not let us in: {problem.message}",
                meaning="no entry can be set or taken away",
                remedy="over TCP our SPIFFE ID needs an entry with admin: spire-server entry "
                "create -admin …, or the server's admin_ids",
                runbook="a-workload-has-no-identity",
            )
        ]
    how = (
        "through its own socket" if isinstance(world.settings.spire, UnixAddress) else "as an admin"
    )
    return [ok(ACCESS, f"the SPIRE server lets us in {how}")]


async def _even_if_refused(world: World) -> Connection:
    try:
        return await world.spire()
    except PermissionDenied:
        return world.connection


async def authority(world: World) -> list[Finding]:
    """Whether what signs all SVIDs is about to end."""
    await world.spire()
    last = lasting((await world.bundles().own()).x509_authorities)
    if last is None:
        return [_no_authority("the SPIRE server shows no X.509 authority")]
    if last.has_ended:
        words = f"the SPIRE server's last X.509 authority ended {last.ends:%F %T} UTC"
        return [_no_authority(words)]
    words = f"the SPIRE server's newest X.509 authority is valid until {last.ends:%F %T} UTC"
    if last.is_late:
        return [
            warning(
                AUTHORITY,
                words,
                meaning="no SVID can outlive it, and a server that is well prepares the next one "
                "at half of the time",
                remedy="look at the server's log for why no new authority was prepared",
            )
        ]
    return [ok(AUTHORITY, words)]


def _no_authority(words: str) -> Finding:
    return error(
        AUTHORITY,
        words,
        meaning="nobody gets an SVID that anybody trusts",
        remedy="look at the server's log, its ca_ttl and its UpstreamAuthority",
    )
