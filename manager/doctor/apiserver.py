"""The API server: whether it answers, what time it has, and what we may do there."""

import asyncio
from collections.abc import Iterable

import msgspec

from api.codec import JSONObject, decode
from controllers.rights import Need, Right
from manager.doctor.finding import Finding, error, ok, warning
from manager.doctor.world import World
from manager.modes.choice import mode_of
from manager.output import counted
from manager.rights import needs_of
from registrar.kube.errors import KubeError, Unauthorized

REACHED, CLOCK, RIGHTS = "api-server", "clock-of-api-server", "rights"

SKEW_SECONDS = 5.0
WRONG_SECONDS = 300.0
_AT_ONCE = 10
_ACCOUNT = "the service account"
_REVIEWS = "/apis/authorization.k8s.io/v1"


class _Answer(msgspec.Struct):
    allowed: bool = False


class _Reviewed(msgspec.Struct):
    status: _Answer = msgspec.field(default_factory=_Answer)


class _User(msgspec.Struct):
    username: str = ""


class _WhoStatus(msgspec.Struct, rename="camel"):
    user_info: _User = msgspec.field(default_factory=_User)


class _Who(msgspec.Struct):
    status: _WhoStatus = msgspec.field(default_factory=_WhoStatus)


async def reached(world: World) -> list[Finding]:
    """Whether it answers at all; everything else in the cluster depends on it."""
    try:
        version = await world.version()
    except KubeError as problem:
        remedy = (
            "log in anew, or give a kubeconfig whose credentials are good"
            if isinstance(problem, Unauthorized)
            else "is it up, and is --kubeconfig and --context the cluster that is meant?"
        )
        return [
            error(
                REACHED,
                f"the API server does not answer: {problem}",
                meaning="nothing can be said of the cluster; a registrar that sees the same waits "
                "and changes nothing",
                remedy=remedy,
                runbook="not-ready",
            )
        ]
    return [ok(REACHED, f"the API server answers (Kubernetes {version})")]


async def clock(world: World) -> list[Finding]:
    """How far its clock is from ours."""
    ahead = (await world.time()).ahead_seconds
    words = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the clock here"
    if abs(ahead) <= SKEW_SECONDS:
        return [ok(CLOCK, "the API server's clock and the one here agree to a few seconds")]
    say = error if abs(ahead) > WRONG_SECONDS else warning
    return [
        say(
            CLOCK,
            f"the API server's clock is {words}",
            meaning="certificates, tokens and SVIDs count as expired or not yet valid by the "
            "clock of whoever looks at them",
            remedy="synchronise both machines' clocks (NTP)",
        )
    ]


async def rights(world: World) -> list[Finding]:
    """What the mode uses and the account may not do; who asks is said."""
    # A mode of its own: what is asked for its needs is used up.
    mode = mode_of(world.settings, namespace=world.namespace)
    needs = needs_of(world.settings, mode, namespace=world.namespace)
    who = await _whose(world)
    lacking = await _lacking(world, needs)
    if not lacking:
        return [ok(RIGHTS, f"{who} has the {counted(len(needs), 'right')} that this mode uses")]
    is_account = who.startswith(_ACCOUNT)
    return [_of(lack, who, is_account=is_account) for lack in _by_consequence(lacking)]


async def _whose(world: World) -> str:
    if world.account:
        return f"{_ACCOUNT} {world.account}"
    try:
        body: JSONObject = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        reply = await world.review("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        name = decode(reply, _Who).status.user_info.username
    except KubeError:
        name = ""
    account = name.removeprefix("system:serviceaccount:")
    if account != name:
        return f"{_ACCOUNT} {account.replace(':', '/')}"
    named = f" ({name})" if name else ""
    return f"whoever runs this{named}, which need not be the registrar's service account,"


async def _lacking(world: World, needs: Iterable[Need]) -> list[Need]:
    """Those that the account does not have; a few are asked about at once."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def has(right: Right) -> bool:
        async with room:
            path, body = _question(right, world.account)
            return decode(await world.review(path, body), _Reviewed).status.allowed

    await world.session()
    every = list(needs)
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(has(need.right)) for need in every]
    except* KubeError as group_error:
        raise _first(group_error) from None
    return [need for need, task in zip(every, tasks, strict=True) if not task.result()]


def _first(group: BaseExceptionGroup[KubeError]) -> KubeError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, KubeError) else KubeError(str(found))


def _question(right: Right, account: str) -> tuple[str, JSONObject]:
    """What to ask where: of ourselves, or of a service account."""
    resource, _, subresource = right.resource.partition("/")
    spec: JSONObject = {
        "resourceAttributes": {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": right.namespace,
            "name": right.name,
        }
    }
    kind = "SelfSubjectAccessReview"
    if account:
        kind = "SubjectAccessReview"
        namespace, _, name = account.partition("/")
        spec["user"] = f"system:serviceaccount:{namespace}:{name}"
        spec["groups"] = [
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        ]
    body: JSONObject = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    return f"{_REVIEWS}/{kind.lower()}s", body


def _by_consequence(needs: Iterable[Need]) -> list[list[Need]]:
    """Those that are missed for the same reason in one finding, what is vital first."""
    found: dict[tuple[bool, str], list[Need]] = {}
    for need in needs:
        found.setdefault((not need.is_vital, need.without), []).append(need)
    return [found[place] for place in sorted(found)]


def _of(needs: list[Need], who: str, *, is_account: bool) -> Finding:
    say = error if needs[0].is_vital else warning
    verbs: dict[str, list[str]] = {}
    for need in needs:
        verbs.setdefault(need.right.on, []).append(need.right.verb)
    names = "; ".join(f"{', '.join(sorted(each))} {on}" for on, each in verbs.items())
    remedy = "apply the roles of the manifests: config/rbac, or the role of the overlay"
    if not is_account:
        remedy += "; --service-account NAMESPACE/NAME asks for the registrar's own account"
    return say(
        RIGHTS,
        f"{who} may not: {names}",
        meaning=f"without that {needs[0].without}",
        remedy=remedy,
        runbook="not-ready",
    )
