"""The CustomResourceDefinitions: installed, serving our version, with our schema."""

from collections.abc import Iterator

import msgspec

from api.codec import DecodeError, JSONObject, JSONValue, decode, decode_object, encode
from api.crd import CUSTOM_KINDS, CustomKind, crd
from manager.doctor.finding import Finding, error, ok, some, warning
from manager.doctor.world import CALL_SECONDS, World
from manager.modes.choice import mode_of
from manager.output import counted
from manager.rights import needs_of
from registrar.kube.errors import Forbidden, KubeError, NotFound
from registrar.kube.session import Request

KINDS = "kinds"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_IGNORED = frozenset({"description"})
"""What the API server does nothing by."""


class _Schema(msgspec.Struct):
    open_api: dict[str, msgspec.Raw] = msgspec.field(name="openAPIV3Schema", default_factory=dict)


class _Version(msgspec.Struct):
    name: str
    served: bool = False
    schema: _Schema = msgspec.field(default_factory=_Schema)


class _Spec(msgspec.Struct):
    versions: list[_Version] = []


class _Condition(msgspec.Struct):
    type: str
    status: str
    message: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] = []


class _Definition(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


async def kinds(world: World) -> list[Finding]:
    """Each kind that the mode reads."""
    found, good, unread = list[Finding](), list[str](), list[str]()
    for custom, is_vital in _used(world):
        try:
            problem = await _problem_of(world, custom, is_vital=is_vital)
        except Forbidden:
            problem = await _from_discovery(world, custom, is_vital=is_vital)
            unread.append(custom.kind.resource)
        if problem is None:
            good.append(custom.kind.resource)
        else:
            found.append(problem)
    if unread:
        found.append(
            warning(
                KINDS,
                f"the schemas of {counted(len(unread), 'kind')} cannot be compared with ours: "
                "get customresourcedefinitions is not allowed",
                meaning="whether the API server drops fields that we write is not known",
                remedy="run this as somebody who may read CustomResourceDefinitions",
            )
        )
    if good and not unread:
        good_words = f"installed, served and of our schema: {some(good)}"
        found.insert(0, ok(KINDS, good_words))
    elif good:
        found.insert(0, ok(KINDS, f"installed and served: {some(good)}"))
    return found


def _used(world: World) -> Iterator[tuple[CustomKind, bool]]:
    """Our kinds that the mode reads, and whether it cannot do without."""
    mode = mode_of(world.settings, namespace=world.namespace)
    read = {
        (need.right.group, need.right.resource): need.is_vital
        for need in needs_of(world.settings, mode, namespace=world.namespace)
        if need.right.verb == "list"
    }
    for custom in CUSTOM_KINDS:
        place = (custom.kind.group, custom.kind.plural)
        if place in read:
            yield custom, read[place]


async def _problem_of(world: World, custom: CustomKind, *, is_vital: bool) -> Finding | None:
    """What is wrong with a definition. Raises KubeError."""
    session = await world.session()
    path = f"{_CRDS}/{custom.kind.resource}"
    try:
        reply = await session.call(Request("GET", path, deadline_seconds=CALL_SECONDS))
    except NotFound:
        return _missing(custom, "is not installed", is_vital=is_vital)
    try:
        definition = decode(reply, _Definition)
    except DecodeError as problem:
        raise KubeError(f"{path}: {problem}") from problem
    version = next((v for v in definition.spec.versions if v.name == custom.kind.version), None)
    if version is None or not version.served:
        return _missing(custom, f"does not serve {custom.kind.version}", is_vital=is_vital)
    for condition in definition.status.conditions:
        if condition.type in {"Established", "NamesAccepted"} and condition.status == "False":
            return _missing(custom, f"is not served yet: {condition.message}", is_vital=is_vital)
    return _differing(custom, decode_object(encode(version.schema.open_api)))


async def _from_discovery(world: World, custom: CustomKind, *, is_vital: bool) -> Finding | None:
    """Whether it is served, which everybody may ask."""
    session = await world.session()
    path = f"/apis/{custom.kind.group}/{custom.kind.version}"
    try:
        reply = await session.call(Request("GET", path, deadline_seconds=CALL_SECONDS))
    except NotFound:
        reply = b"{}"
    names = {each.name for each in decode(reply, _Resources).resources}
    if custom.kind.plural in names:
        return None
    return _missing(custom, "is not installed, or serves another version", is_vital=is_vital)


class _Resource(msgspec.Struct):
    name: str = ""


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


def _missing(custom: CustomKind, what: str, *, is_vital: bool) -> Finding:
    say = error if is_vital else warning
    return say(
        KINDS,
        f"{custom.kind.resource} {what}",
        meaning="objects of the kind give nobody an identity, and the process may wait for it"
        if is_vital
        else "nothing is recorded in objects of the kind; entries are kept right all the same",
        remedy="kubectl apply -k config/crd",
        runbook="not-ready",
    )


def _differing(custom: CustomKind, theirs: JSONObject) -> Finding | None:
    """What the schema that is installed lacks of ours, or has otherwise."""
    ours, others = dict(_leaves(_schema_of(custom))), dict(_leaves(theirs))
    lacking = sorted(path for path in ours if path not in others)
    changed = sorted(path for path in ours if path in others and ours[path] != others[path])
    added = sorted(path for path in others if path not in ours)
    if not lacking and not changed and not added:
        return None
    first = (lacking or changed or added)[0]
    words = [
        f"{len(paths)} {word}"
        for paths, word in ((lacking, "lacking"), (changed, "different"), (added, "more"))
        if paths
    ]
    return warning(
        KINDS,
        f"{custom.kind.resource} has another schema than ours ({', '.join(words)}; the first at "
        f"{first})",
        meaning="the API server drops fields that its schema does not know, and refuses what we "
        "would take",
        remedy="kubectl apply -k config/crd, of the version of the registrar that runs",
        runbook="not-ready",
    )


def _schema_of(custom: CustomKind) -> JSONValue:
    spec = crd(custom)["spec"]
    versions = spec["versions"] if isinstance(spec, dict) else None
    for version in versions if isinstance(versions, list) else ():
        if isinstance(version, dict) and version["name"] == custom.kind.version:
            schema = version["schema"]
            return schema["openAPIV3Schema"] if isinstance(schema, dict) else None
    return None


def _leaves(value: JSONValue, path: str = "") -> Iterator[tuple[str, JSONValue]]:
    """Each value that is no object, with its path; lists are compared as a whole."""
    if not isinstance(value, dict):
        whole: JSONValue = [*sorted(map(str, value))] if isinstance(value, list) else value
        yield path, whole
        return
    if not value:
        yield path, "{}"
    for name, below in value.items():
        # A field may be called as a keyword of the schema is.
        if name in _IGNORED and not path.endswith(".properties"):
            continue
        yield from _leaves(below, f"{path}.{name}" if path else name)
