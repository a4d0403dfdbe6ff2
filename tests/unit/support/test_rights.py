"""What an audit log says of the rights that manifests give."""

import json
from pathlib import Path

from api.codec import JSONObject
from hack import auditlog
from tests.support.rights import Grant, Recording, grants, refused, unused

WHO = "system:serviceaccount:spire:registrar"
ROLE: JSONObject = {
    "kind": "Role",
    "metadata": {"name": "some", "namespace": "spire"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get"],
            "resourceNames": ["one"],
        },
        {"apiGroups": ["a.test"], "resources": ["foos", "foos/status"], "verbs": ["patch"]},
    ],
}
BINDING: JSONObject = {
    "kind": "RoleBinding",
    "metadata": {"name": "some", "namespace": "spire"},
    "roleRef": {"kind": "Role", "name": "some"},
    "subjects": [{"kind": "ServiceAccount", "name": "registrar", "namespace": "spire"}],
}


def line(verb: str, *, decision: str = "allow", user: str = WHO, **about: str) -> str:
    document = {
        "user": {"username": user},
        "verb": verb,
        "objectRef": {"namespace": "spire", **about},
        "annotations": {"authorization.k8s.io/decision": decision},
    }
    return json.dumps(document) + "\n"


def recorded(folder: Path, *lines: str) -> Recording:
    auditlog.log_of(folder).write_text("".join(lines))
    return Recording(folder)


def test_a_right_counts_as_used_by_a_call_that_it_covers_and_no_other(tmp_path: Path) -> None:
    given = grants([ROLE, BINDING], "spire", "registrar")
    recording = recorded(
        tmp_path,
        line("get", resource="configmaps", name="one"),
        line("patch", resource="foos", name="x", apiGroup="a.test", namespace="elsewhere"),
        line("patch", resource="foos", subresource="status", name="x", apiGroup="a.test"),
        line("patch", resource="foos", name="x", apiGroup="a.test", user="somebody"),
    )
    assert unused(given, recording.calls(WHO)) == ["patch a.test/foos spire/"]


def test_a_call_that_lacked_a_right_is_refused_and_uses_none(tmp_path: Path) -> None:
    given = {Grant("get", "/configmaps", "spire", "one")}
    recording = recorded(
        tmp_path, line("get", decision="forbid", resource="configmaps", name="one")
    )
    assert refused(recording.calls(WHO)) == ["get /configmaps spire/one"]
    assert unused(given, recording.calls(WHO)) == ["get /configmaps spire/one"]


def test_what_was_before_and_what_is_still_written_do_not_count(tmp_path: Path) -> None:
    whole = line("get", resource="configmaps", name="one")
    recording = recorded(tmp_path, whole, whole, whole[:-9])
    assert len(recording.calls(WHO)) == 1
    assert recording.calls(WHO, since=2 * len(whole)) == set()


def test_others_have_nothing_of_it() -> None:
    assert grants([ROLE, BINDING], "spire", "another") == set()
    assert grants([ROLE, BINDING], "elsewhere", "registrar") == set()
