"""What the specs of ClusterSpiffeId and SpiffeID have in common: selectors, IDs, attributes.

Constraints stand in ``extra_json_schema``: the API server enforces them at
admission, and decoding stays lenient, so that an object stored before a rule
existed still loads and is reported by its condition.
"""

from typing import Annotated

from msgspec import Meta, field

from api.meta import Condition, Wire

SPIFFE_ID_PATTERN = r"^spiffe://[a-z0-9._-]{1,255}(/[a-zA-Z0-9._-]+)+$"
TRUST_DOMAIN_PATTERN = r"^(spiffe://)?[a-z0-9._*-]{1,255}$"
DNS_NAME_PATTERN = (
    r"^(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"
    r"(\.[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?)*$"
)
_ID_LENGTH = {"minLength": 1, "maxLength": 2048}
_NO_DOT_SEGMENTS = {
    "rule": r"!self.matches('/[.]{1,2}(/|$)')",
    "message": "path segments '.' and '..' are not allowed in a SPIFFE ID",
}
_NOT_RESERVED = {
    "rule": r"!self.matches('^spiffe://[^/]+/spire(/|$)')",
    "message": "the path /spire is reserved for SPIRE itself: choose another path",
}
_SELECTOR_TEXT = {"minLength": 1, "maxLength": 1024}


class Selector(Wire, frozen=True, kw_only=True):
    """What a workload must look like; everything given must match (AND)."""

    pod_label: Annotated[
        dict[str, str],
        Meta(
            description="Labels that the Pod must carry, each with this value.",
            extra_json_schema={"minProperties": 1, "maxProperties": 64},
        ),
    ] = field(default_factory=dict)
    pod_name: Annotated[
        str, Meta(description="Name of the Pod.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    pod_uid: Annotated[
        str, Meta(description="Uid of the Pod.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    namespace: Annotated[
        str, Meta(description="Namespace of the Pod.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    service_account: Annotated[
        str, Meta(description="Service account of the Pod.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    container_name: Annotated[
        str, Meta(description="Name of the container.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    container_image: Annotated[
        str,
        Meta(
            description="Image of the container, as the Pod's status reports it.",
            extra_json_schema=_SELECTOR_TEXT,
        ),
    ] = ""
    node_name: Annotated[
        str, Meta(description="Name of the node.", extra_json_schema=_SELECTOR_TEXT)
    ] = ""
    arbitrary: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema=_SELECTOR_TEXT)], ...],
        Meta(
            description="Further selectors of the k8s type, without their 'k8s:' in front, "
            "such as 'pod-init-image:docker.io/init'.",
            extra_json_schema={"minItems": 1, "maxItems": 64},
        ),
    ] = ()
    cluster: Annotated[
        str,
        Meta(
            description="For node entries: cluster that the agent attested with (k8s_psat).",
            extra_json_schema=_SELECTOR_TEXT,
        ),
    ] = ""
    agent_node_uid: Annotated[
        str,
        Meta(
            description="For node entries: uid of the node that the agent runs on (k8s_psat).",
            extra_json_schema=_SELECTOR_TEXT,
        ),
    ] = field(name="agent_node_uid", default="")


WorkloadID = Annotated[
    str,
    Meta(
        description="SPIFFE ID that the workloads get, such as "
        "spiffe://example.org/ns/shop/sa/web; its trust domain is the SPIRE server's.",
        extra_json_schema={
            **_ID_LENGTH,
            "pattern": SPIFFE_ID_PATTERN,
            "x-kubernetes-validations": [_NO_DOT_SEGMENTS, _NOT_RESERVED],
        },
    ),
]
WorkloadSelector = Annotated[
    Selector,
    Meta(
        description="What a workload must look like; everything given must match (AND), "
        "and at least one thing must be given.",
        extra_json_schema={"minProperties": 1},
    ),
]
PARENT_ID_SCHEMA: dict[str, object] = {
    **_ID_LENGTH,
    "pattern": SPIFFE_ID_PATTERN,
    "x-kubernetes-validations": [_NO_DOT_SEGMENTS],
}
X509TTL = Annotated[
    int,
    Meta(
        description="Lifetime of X.509-SVIDs in seconds; 0 means the server's default.",
        extra_json_schema={"minimum": 0, "maximum": 2147483647, "format": "int32"},
    ),
]
JWTTTL = Annotated[
    int,
    Meta(
        description="Lifetime of JWT-SVIDs in seconds; 0 means the server's default.",
        extra_json_schema={"minimum": 0, "maximum": 2147483647, "format": "int32"},
    ),
]
FederatesWith = Annotated[
    tuple[
        Annotated[str, Meta(extra_json_schema={"pattern": TRUST_DOMAIN_PATTERN, "maxLength": 264})],
        ...,
    ],
    Meta(
        description="Trust domains whose bundles the workloads receive too.",
        extra_json_schema={"maxItems": 256, "x-kubernetes-list-type": "set"},
    ),
]
DNSNames = Annotated[
    tuple[
        Annotated[str, Meta(extra_json_schema={"pattern": DNS_NAME_PATTERN, "maxLength": 255})],
        ...,
    ],
    Meta(
        description="DNS names in the X.509-SVID, in this order; the first is its common name.",
        extra_json_schema={"maxItems": 256},
    ),
]
Downstream = Annotated[
    bool, Meta(description="Whether the identity is that of a downstream SPIRE server.")
]
Hint = Annotated[
    str,
    Meta(
        description="Hint by which a workload with several identities tells them apart.",
        extra_json_schema={"maxLength": 1024},
    ),
]
SpireEntryName = Annotated[
    str, Meta(description="Name of the SpireEntry that stands for this identity.")
]
EntryID = Annotated[str, Meta(description="ID of the entry on the SPIRE server.")]
ObservedGeneration = Annotated[
    int,
    Meta(
        description="Generation that this status speaks of.",
        extra_json_schema={"format": "int64"},
    ),
]
Conditions = Annotated[
    tuple[Condition, ...],
    Meta(
        description="Ready; Masked while an older object decides the attributes.",
        extra_json_schema={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]
