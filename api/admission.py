"""AdmissionReview, the question that an API server asks a webhook, and the answer."""

import msgspec
from msgspec import field

from .meta import Wire

VERSIONS = frozenset({"admission.k8s.io/v1", "admission.k8s.io/v1beta1"})


class GroupVersionKind(Wire, frozen=True, kw_only=True):
    """What kind of object is asked about."""

    group: str = ""
    version: str = ""
    kind: str = ""


class AdmissionRequest(Wire, frozen=True, kw_only=True):
    """What is to be done: ``object`` is new or changed, ``old_object`` as stored; JSON."""

    uid: str = ""
    kind: GroupVersionKind = GroupVersionKind()
    subresource: str = field(name="subResource", default="")
    operation: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool = False
    object: msgspec.Raw = msgspec.Raw(b"null")
    old_object: msgspec.Raw = msgspec.Raw(b"null")


class AdmissionReview(Wire, frozen=True, kw_only=True):
    """The question."""

    api_version: str = ""
    kind: str = ""
    request: AdmissionRequest | None = None
