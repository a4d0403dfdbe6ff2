"""The rules of an object's metadata: names, labels, times, identity."""

import datetime as dt
import re
import secrets
import uuid

from devcluster.kubeapi.documents import JSONObject, child, obj, seq, text
from devcluster.kubeapi.status import Cause

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_label = re.compile(_LABEL)
_subdomain = re.compile(_SUBDOMAIN)
_qualified = re.compile(_QUALIFIED)
_value = re.compile(_VALUE)

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex"
    f" used for validation is '{_LABEL}')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{_QUALIFIED}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '{_VALUE}')"
)
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_MAX_ANNOTATIONS_BYTES = 256 * 1024


def now() -> str:
    """The time as Kubernetes writes it: RFC 3339 in UTC, whole seconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    """A new random uid."""
    return str(uuid.uuid4())


def generated_name(base: str) -> str:
    """A name that starts with generateName and ends with five random letters."""
    suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
    return f"{base[:248]}{suffix}"


def _invalid(value: str, rule: str, field: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {rule}', field)


def _check_name(name: str, style: str) -> list[Cause]:
    field = "metadata.name"
    if style == "path":
        if name in {".", ".."} or "/" in name or "%" in name:
            return [_invalid(name, "may not be '.' or '..', and may not contain '/' or '%'", field)]
        return []
    longest = 63 if style == "label" else 253
    causes = []
    if len(name) > longest:
        causes.append(_invalid(name, f"must be no more than {longest} characters", field))
    if not (_label if style == "label" else _subdomain).fullmatch(name):
        rule = _LABEL_RULE if style == "label" else _SUBDOMAIN_RULE
        causes.append(_invalid(name, rule, field))
    return causes


def _check_key(key: str, field: str) -> list[Cause]:
    prefix, slash, name = key.rpartition("/")
    causes = []
    if slash and not _subdomain.fullmatch(prefix):
        causes.append(_invalid(key, f"prefix part {_SUBDOMAIN_RULE}", field))
    if len(name) > 63:
        causes.append(_invalid(key, "name part must be no more than 63 characters", field))
    if not _qualified.fullmatch(name):
        causes.append(_invalid(key, _QUALIFIED_RULE, field))
    return causes


def check_labels(labels: JSONObject, field: str) -> list[Cause]:
    """What is wrong with the labels' keys and values."""
    causes: list[Cause] = []
    for key, value in labels.items():
        causes += _check_key(key, field)
        shown = value if isinstance(value, str) else ""
        if len(shown) > 63:
            causes.append(_invalid(shown, "must be no more than 63 characters", field))
        if not _value.fullmatch(shown):
            causes.append(_invalid(shown, _VALUE_RULE, field))
    return causes


def _check_annotations(annotations: JSONObject) -> list[Cause]:
    field = "metadata.annotations"
    causes = [cause for key in annotations for cause in _check_key(key.lower(), field)]
    size = sum(
        len(key) + len(value) for key, value in annotations.items() if isinstance(value, str)
    )
    if size > _MAX_ANNOTATIONS_BYTES:
        rule = f"Too long: may not be more than {_MAX_ANNOTATIONS_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", rule, field))
    return causes


def _check_owners(metadata: JSONObject) -> list[Cause]:
    causes: list[Cause] = []
    for owner in seq(metadata.get("ownerReferences")):
        field = "metadata.ownerReferences"
        for name in ("apiVersion", "kind", "name", "uid"):
            if not text(owner, name):
                rule = 'Invalid value: "": must not be empty'
                if name == "apiVersion":
                    rule = 'Invalid value: "": version must not be empty'
                causes.append(Cause("FieldValueInvalid", rule, f"{field}.{name}"))
    controllers = [
        owner for owner in seq(metadata.get("ownerReferences")) if obj(owner).get("controller")
    ]
    if len(controllers) > 1:
        rule = "Only one reference can have Controller set to true."
        causes.append(
            Cause("FieldValueInvalid", f"Invalid value: {rule}", "metadata.ownerReferences")
        )
    return causes


def check(document: JSONObject, name_style: str) -> list[Cause]:
    """What is wrong with the metadata; the style is subdomain, label or path."""
    metadata = child(document, "metadata")
    name = text(metadata, "name")
    if not name:
        rule = "Required value: name or generateName is required"
        return [Cause("FieldValueRequired", rule, "metadata.name")]
    causes = _check_name(name, name_style)
    if "labels" in metadata:
        causes += check_labels(child(metadata, "labels"), "metadata.labels")
    if "annotations" in metadata:
        causes += _check_annotations(child(metadata, "annotations"))
    if "ownerReferences" in metadata:
        causes += _check_owners(metadata)
    for index, finalizer in enumerate(seq(metadata.get("finalizers"))):
        if isinstance(finalizer, str):
            causes += _check_key(finalizer, f"metadata.finalizers[{index}]")
    return causes


def check_update(before: JSONObject, after: JSONObject) -> list[Cause]:
    """What the change of metadata does that no change may do."""
    old, new = child(before, "metadata"), child(after, "metadata")
    if not text(old, "deletionTimestamp"):
        return []
    known = seq(old.get("finalizers"))
    added = [item for item in seq(new.get("finalizers")) if item not in known]
    if not added:
        return []
    listed = ", ".join(f'"{item}"' for item in added)
    rule = (
        "Forbidden: no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{listed}}}"
    )
    return [Cause("FieldValueForbidden", rule, "metadata.finalizers")]
