"""What the templates of k8s-workload-registrar's crd mode see: ``.Pod`` and ``.Context``."""

from collections.abc import Mapping

from registrar.gotemplate.values import (
    STRING,
    GoType,
    Map,
    PlainStruct,
    Typed,
    Value,
    map_of,
)

_UID = GoType("types.UID", "string")
_POD = GoType(
    "controllers.PodInfo",
    "struct",
    fields=("ServiceAccount", "Namespace", "Name", "UID", "Hostname", "NodeName"),
)
_DATA = GoType("controllers.IdentityMaps", "struct", fields=("Context", "Pod"))
_CONTEXT = map_of(STRING, STRING)


def context_of(values: Mapping[str, str]) -> Value:
    """The ``context`` of the configuration; nil if there is none."""
    if not values:
        return Map(_CONTEXT)
    items: dict[str | int | float | bool, Value] = dict(values.items())
    return Map(_CONTEXT, items)


def pod_info(
    *,
    name: str,
    uid: str,
    namespace: str,
    service_account: str,
    hostname: str,
    node_name: str,
    context: Value,
) -> Value:
    """The data of one Pod's templates."""
    pod = PlainStruct(
        _POD,
        {
            "ServiceAccount": service_account,
            "Namespace": namespace,
            "Name": name,
            "UID": Typed(_UID, uid),
            "Hostname": hostname,
            "NodeName": node_name,
        },
        is_addressable=False,
    )
    return PlainStruct(_DATA, {"Context": context, "Pod": pod}, is_addressable=False)
