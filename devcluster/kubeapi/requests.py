"""What a request asks for: the resource and object its path names, its verb and options."""

from dataclasses import dataclass

from devcluster.kubeapi.objects import WriteOptions
from devcluster.kubeapi.resources import Registry, Resource
from devcluster.kubeapi.status import Cause, invalid, no_such_path

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a resource. A namespace of None means all, or none for cluster scope."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    subresource: str
    query: dict[str, str]
    body: bytes
    content_type: str
    accept: str
    agent: str

    @property
    def key(self) -> tuple[str, str]:
        """Where the object is stored."""
        return (self.namespace or "", self.name)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str


def split_path(path: str) -> tuple[str, str, list[str]] | None:
    """Group, version and the rest of a resource path; None for any other path."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 4 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return None


def find_target(registry: Registry, path: str) -> Target:
    """The resource, namespace, name and subresource that the path names.

    Raises:
        APIError: Nothing is served there.
    """
    split = split_path(path)
    if split is None:
        raise no_such_path()
    group, version, rest = split
    namespace: str | None = None
    # /namespaces/x/status is about the namespace, /namespaces/x/pods about what is in it.
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        raise no_such_path()
    if resource.namespaced != (namespace is not None) and (len(rest) > 1 or namespace is not None):
        raise no_such_path()
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    return Target(resource, namespace, rest[1] if len(rest) > 1 else "", subresource)


def verb_of(method: str, target: Target, query: dict[str, str]) -> str:
    """The Kubernetes verb of the request."""
    verb = _VERBS.get(method, method.lower())
    if target.name:
        return verb
    if verb == "get":
        return "watch" if query.get("watch", "false") not in {"false", "0"} else "list"
    return "deletecollection" if verb == "delete" else verb


def write_options(request: Request) -> WriteOptions:
    """How the request wants its write done.

    Raises:
        APIError: The options make no sense.
    """
    query = request.query
    given = query.get("fieldManager", "")
    dry_run = query.get("dryRun", "")
    if dry_run not in {"", "All"}:
        cause = Cause(
            "FieldValueNotSupported",
            f'Unsupported value: "{dry_run}": supported values: "All"',
            "dryRun",
        )
        raise invalid("meta.k8s.io", "WriteOptions", "", [cause])
    return WriteOptions(
        manager=given or request.agent.partition("/")[0] or "unknown",
        dry_run=bool(dry_run),
        field_validation=query.get("fieldValidation") or "Warn",
        force=query.get("force") == "true",
        subresource=request.subresource,
    )
