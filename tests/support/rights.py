"""Which rights the manifests give to a service account, and which of them it has used.

The API server's audit log tells of every call who made it, what it was about, and whether RBAC
allowed it. So a right that nothing uses is seen, and so is a call that lacks one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from api.codec import JSONObject, convert
from hack import auditlog
from tests.support.manifests import render

_DECISION = "authorization.k8s.io/decision"


class _Object(msgspec.Struct, rename="camel"):
    resource: str = ""
    subresource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""


class _User(msgspec.Struct):
    username: str


class _Line(msgspec.Struct, rename="camel"):
    user: _User
    verb: str
    object_ref: _Object | None = None
    annotations: dict[str, str] = {}


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call about objects."""

    verb: str
    resource: str
    """``group/resource``, or ``group/resource/subresource``; the group may be empty."""
    namespace: str
    name: str
    is_allowed: bool

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One verb on one resource; without a ``namespace`` in all, without a ``name`` on all."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def covers(self, call: Call) -> bool:
        """Whether this is the right that a call took."""
        return (
            (self.verb, self.resource) == (call.verb, call.resource)
            and self.namespace in {"", call.namespace}
            and self.name in {"", call.name}
        )

    def review(self, user: str, groups: Sequence[str]) -> JSONObject:
        """The question to the API server whether a user has it."""
        group, resource, *subresource = self.resource.split("/")
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "groups": [*groups],
                "resourceAttributes": {
                    "verb": self.verb,
                    "group": group,
                    "resource": resource,
                    "subresource": "".join(subresource),
                    "namespace": self.namespace,
                    "name": self.name,
                },
            },
        }

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}"


RECORD = Grant("record", "spiffeid.spiffe.io/spireentries")
"""What the admission policy asks for, which is no call: see tests/e2e/test_admission_policy.py."""


class Recording:
    """The audit log of one API server; ``folder`` is where it lies."""

    def __init__(self, folder: Path) -> None:
        self._log = auditlog.log_of(folder)

    def calls(self, user: str, *, since: int = 0) -> set[Call]:
        """The calls of a user, from a place in the log on; see ``place``."""
        with self._log.open("rb") as file:
            file.seek(since)
            # The last line may still be written.
            lines = file.read().split(b"\n")[:-1]
        found = set[Call]()
        for line in lines:
            said = msgspec.json.decode(line, type=_Line)
            about = said.object_ref
            if said.user.username == user and about is not None:
                found.add(
                    Call(
                        said.verb,
                        _resource(about.api_group, about.resource, about.subresource),
                        about.namespace,
                        about.name,
                        is_allowed=said.annotations.get(_DECISION) == "allow",
                    )
                )
        return found

    def place(self) -> int:
        """Where the log ends now."""
        return self._log.stat().st_size if self._log.exists() else 0


def refused(calls: Iterable[Call]) -> list[str]:
    """The calls that lacked a right."""
    return sorted(str(call) for call in calls if not call.is_allowed)


def unused(grants: Iterable[Grant], calls: Iterable[Call]) -> list[str]:
    """The rights that no call took."""
    made = [call for call in calls if call.is_allowed]
    return sorted(str(grant) for grant in grants if not any(map(grant.covers, made)))


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Rule(msgspec.Struct, rename="camel"):
    verbs: list[str]
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []


class _Role(msgspec.Struct):
    kind: str
    metadata: _Metadata
    rules: list[_Rule] = []


class _Named(msgspec.Struct):
    kind: str
    name: str
    namespace: str = ""


class _Binding(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    role_ref: _Named
    subjects: list[_Named] = []


def grants(objects: Iterable[JSONObject], namespace: str, account: str) -> set[Grant]:
    """The rights that manifests give to a service account of theirs."""
    documents = list(objects)
    roles = {
        (role.kind, role.metadata.namespace, role.metadata.name): role
        for role in (convert(d, _Role) for d in documents if d["kind"] in {"Role", "ClusterRole"})
    }
    found = set[Grant]()
    for document in documents:
        if document["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        binding = convert(document, _Binding)
        who = {(each.kind, each.namespace, each.name) for each in binding.subjects}
        if ("ServiceAccount", namespace, account) in who:
            where = binding.metadata.namespace
            kind, name = binding.role_ref.kind, binding.role_ref.name
            role = roles[kind, where if kind == "Role" else "", name]
            found |= {grant for rule in role.rules for grant in _of_rule(rule, where)}
    return found


def of_folder(folder: str) -> list[JSONObject]:
    """What a folder of config/ has of roles and bindings."""
    return render(folder).of_kind("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


def accounts(objects: Iterable[JSONObject]) -> set[tuple[str, str]]:
    """Namespace and name of all service accounts that manifests give rights to."""
    return {
        (subject.namespace, subject.name)
        for each in objects
        if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        for subject in convert(each, _Binding).subjects
        if subject.kind == "ServiceAccount"
    }


def _of_rule(rule: _Rule, namespace: str) -> Iterable[Grant]:
    for group in rule.api_groups:
        for resource in rule.resources:
            for verb in rule.verbs:
                # What a star allows no test could use up.
                assert "*" not in {group, resource, verb}, rule
                for name in rule.resource_names or [""]:
                    yield Grant(verb, f"{group}/{resource}", namespace, name)


def _resource(group: str, resource: str, subresource: str) -> str:
    return "/".join([group, resource, *([subresource] if subresource else [])])
