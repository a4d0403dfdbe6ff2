"""What the schemas of several kinds of this group have in common.

They refuse only what spire-controller-manager cannot use either, so that
objects stored for it stay valid. Checks of one value are CEL rules, for their
messages; those of an item of a list are patterns, which cost nothing however
long the list, as the original limits no list.
"""

from api.codec import JSONObject

_TRUST_DOMAIN = "[a-z0-9._-]+"
_PATH = "(/[a-zA-Z0-9._-]+)"

TRUST_DOMAIN_PATTERN = f"^({_TRUST_DOMAIN}|spiffe://{_TRUST_DOMAIN}{_PATH}*)$"
"""A trust domain by its name, or, as Go's SPIFFE library takes it, by any of its SPIFFE IDs."""

FEDERATES_WITH_PATTERN = f"^([a-z0-9._*-]+|spiffe://[a-z0-9._*-]+{_PATH}*)$"
"""The same, with ``*`` for any characters."""

SELECTOR_PATTERN = "^[^:]+:(.|\\n)"
"""A selector as type:value, neither empty."""

_FULL_ID = f"^spiffe://{_TRUST_DOMAIN}{_PATH}*$"
_FULL_ID_OR_PATH = f"^(spiffe://{_TRUST_DOMAIN}{_PATH}*|{_PATH}+)$"
_MAX_ID = 2048
_MAX_TEMPLATE = 16384
_ID_OR_PATH: JSONObject = {
    "rule": f"self.matches('{_FULL_ID_OR_PATH}') && !self.matches('/[.]{{1,2}}(/|$)')",
    "message": "write spiffe://<trust domain>/<path>, or /<path> alone, with segments of letters, "
    "digits, '.', '-' and '_'",
}

SPIFFE_ID_OR_PATH: JSONObject = {
    "minLength": 1,
    "maxLength": _MAX_ID,
    "x-kubernetes-validations": [_ID_OR_PATH],
}
"""A SPIFFE ID, or its path alone."""

SPIFFE_ID_OR_NONE: JSONObject = {
    "maxLength": _MAX_ID,
    "x-kubernetes-validations": [
        {
            "rule": f"self == '' || (self.matches('{_FULL_ID}') "
            "&& !self.matches('/[.]{1,2}(/|$)'))",
            "message": "write spiffe://<trust domain>/<path>",
        }
    ],
}
"""A SPIFFE ID; empty is the same as left out."""

_ID_TEMPLATE: JSONObject = {
    "rule": f"self.contains('{{{{') || ({_ID_OR_PATH['rule']})",
    "message": f"{_ID_OR_PATH['message']}; parts may be templates, such as "
    "{{ .PodMeta.Namespace }}",
}

SPIFFE_ID_TEMPLATE: JSONObject = {
    "minLength": 1,
    "maxLength": _MAX_TEMPLATE,
    "x-kubernetes-validations": [_ID_TEMPLATE],
}
"""A Go template of a SPIFFE ID or its path; what a template makes is only known for a Pod."""

SPIFFE_ID_TEMPLATE_OR_NONE: JSONObject = {
    "maxLength": _MAX_TEMPLATE,
    "x-kubernetes-validations": [
        {"rule": f"self == '' || {_ID_TEMPLATE['rule']}", "message": _ID_TEMPLATE["message"]}
    ],
}
"""The same; empty is the same as left out."""

DURATION: JSONObject = {
    "maxLength": 128,
    "x-kubernetes-validations": [
        {
            "rule": "self.matches('^([-+]?(0|(([0-9]+[.]?[0-9]*|[.][0-9]+)"
            "(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+))?$')",
            "message": "write a duration with its units, such as 90s, 1h or 1h30m",
        }
    ],
}
"""A Go duration; empty is the same as left out, and so is 0s."""

CONDITIONS: JSONObject = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
"""The list of conditions: one of each type."""

GENERATION: JSONObject = {"format": "int64"}
"""``status.observedGeneration``."""
