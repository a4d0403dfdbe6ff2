"""Access reviews: everything is allowed here, whatever the token says."""

from collections.abc import Mapping

from devcluster.kubeapi.documents import JSONObject, decode, encode, obj

_REVIEWS: Mapping[str, tuple[str, JSONObject]] = {
    "authorization.k8s.io/v1/selfsubjectaccessreviews": (
        "SelfSubjectAccessReview",
        {"allowed": True},
    ),
    "authorization.k8s.io/v1/subjectaccessreviews": ("SubjectAccessReview", {"allowed": True}),
    "authorization.k8s.io/v1/selfsubjectrulesreviews": (
        "SelfSubjectRulesReview",
        {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        },
    ),
    "authentication.k8s.io/v1/selfsubjectreviews": (
        "SelfSubjectReview",
        {"userInfo": {"username": "admin", "groups": ["system:masters"]}},
    ),
}


def answer(path: str, method: str, body: bytes) -> bytes | None:
    """The review with its status; None if the path is no review."""
    found = _REVIEWS.get(path.removeprefix("/apis/"))
    if found is None or method != "POST":
        return None
    kind, status = found
    version = "/".join(path.split("/")[2:4])
    document: JSONObject = {"kind": kind, "apiVersion": version, "metadata": {}}
    # Some clients ask in protobuf; what they ask makes no difference here.
    document["spec"] = obj(obj(decode(body)).get("spec")) if body[:1] == b"{" else {}
    document["status"] = status
    return encode(document)


def _kinds() -> Mapping[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for path, (kind, _) in _REVIEWS.items():
        group, _, plural = path.split("/")
        found[group] = (*found.get(group, ()), (plural, kind))
    return found


REVIEW_KINDS = _kinds()
"""Plural and kind of the reviews of each group, for discovery."""
