"""Pod to ClusterSpiffeId: the identity by label, annotation or service account.

The ClusterSpiffeId is cluster-scoped, so it cannot be owned by its Pod; it is
owned by the Pod's Namespace, and annotations name the Pod.
"""

import re

import msgspec
import xxhash

from api.core import Namespace, Pod, PodSpec, PodStatus
from api.kinds import CLUSTER_SPIFFE_ID, NAMESPACE
from api.meta import ObjectKey, ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.clusterspiffeid import (
    POD_NAME_ANNOTATION,
    POD_NAMESPACE_ANNOTATION,
    POD_UID_LABEL,
    ClusterSpiffeId,
    ClusterSpiffeIdSpec,
)
from api.spiffeid.v1beta1.fields import Selector
from registrar.claims.unmet import NAMESPACE_DISABLED, NOT_ASKED_FOR, Unmet, finished
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_path, check_workload_id
from registrar.settings.model import PodIdentity

_LAYERED_AGENTS = re.compile("spire-k8s-operator/")
"""Paths of the agents' aliases in the layered mode; see ``check_not_agents``."""

_MAX_READABLE = 200


def generated_name(namespace: str, pod: str, uid: str) -> str:
    """The name of the ClusterSpiffeId made for a Pod: readable, and unique by the Pod's uid."""
    readable = f"{namespace}.{pod}"[:_MAX_READABLE].rstrip(".-")
    return f"{readable}-{xxhash.xxh3_64_hexdigest(uid.encode())[:10]}"


def pod_of(obj: ClusterSpiffeId) -> ObjectKey | None:
    """The Pod that a ClusterSpiffeId was made for, or None if the pod controller did not make it.

    The name must be the one that we give, so that an object which merely
    carries the label is never taken for ours.
    """
    return named_pod(obj.metadata)


def named_pod(meta: ObjectMeta) -> ObjectKey | None:
    """The same by the metadata alone."""
    uid = meta.labels.get(POD_UID_LABEL, "")
    namespace = meta.annotations.get(POD_NAMESPACE_ANNOTATION, "")
    name = meta.annotations.get(POD_NAME_ANNOTATION, "")
    if not uid or meta.name != generated_name(namespace, name, uid):
        return None
    return ObjectKey(namespace, name)


def spiffe_id_of(
    pod: Pod,
    settings: PodIdentity,
    trust_domain: str,
    *,
    agents: re.Pattern[str] = _LAYERED_AGENTS,
) -> str | Unmet:
    """The SPIFFE ID of a Pod by label, annotation or service account, or what it would ask by.

    ``agents`` matches the paths of the agents' aliases. Raises InvalidField, naming the
    label or annotation.
    """
    meta = pod.metadata
    if settings.mode == "service_account":
        account = pod.spec.service_account_name or "default"
        path, field = f"ns/{meta.namespace}/sa/{account}", "spec.serviceAccountName"
    else:
        table = meta.labels if settings.mode == "label" else meta.annotations
        field = f"metadata.{settings.mode}s[{settings.key}]"
        path = table.get(settings.key, "")
        if not path:
            return Unmet(NOT_ASKED_FOR, field, "the path of a SPIFFE ID", table.get(settings.key))
    check_path(path, path=field)
    check_not_agents(path, path=field, agents=agents)
    return check_workload_id(
        f"spiffe://{trust_domain}/{path.removeprefix('/')}", path=field, trust_domain=trust_domain
    )


def check_not_agents(value: str, *, path: str, agents: re.Pattern[str]) -> None:
    """Whether no agent's alias has that path. Raises InvalidField.

    ``agents`` matches the beginning of such a path, written without a slash in front and
    with one behind.
    """
    found = agents.match(f"{value.removeprefix('/')}/")
    if found:
        taken = found[0].removesuffix("/")
        raise InvalidField(
            path, value, f"the path /{taken} is that of the agents: choose another path"
        )


def excluded(pod: Pod, settings: PodIdentity) -> Unmet | None:
    """Why a Pod gets no identity whatever it asks for; None where it may have one.

    It must be one that may run, in a namespace that is not disabled.
    """
    namespace = pod.metadata.namespace
    if namespace in settings.disabled_namespaces:
        wanted = "none of disabled_namespaces"
        return Unmet(NAMESPACE_DISABLED, "metadata.namespace", wanted, namespace)
    return finished(pod.status.phase)


def cluster_spiffe_id_for(
    pod: Pod, settings: PodIdentity, *, trust_domain: str, class_name: str = ""
) -> ClusterSpiffeId | Unmet:
    """The ClusterSpiffeId that a Pod should have, or why it should have none.

    Raises InvalidField when its label or annotation makes no SPIFFE ID.
    """
    spiffe_id = excluded(pod, settings) or spiffe_id_of(pod, settings, trust_domain)
    if isinstance(spiffe_id, Unmet):
        return spiffe_id
    meta = pod.metadata
    return ClusterSpiffeId(
        api_version=CLUSTER_SPIFFE_ID.api_version,
        kind=CLUSTER_SPIFFE_ID.kind,
        metadata=ObjectMeta(
            name=generated_name(meta.namespace, meta.name, meta.uid),
            labels={POD_UID_LABEL: meta.uid},
            annotations={
                POD_NAMESPACE_ANNOTATION: meta.namespace,
                POD_NAME_ANNOTATION: meta.name,
            },
        ),
        spec=ClusterSpiffeIdSpec(
            spiffe_id=spiffe_id,
            selector=Selector(pod_uid=meta.uid, namespace=meta.namespace),
            class_name=class_name,
        ),
    )


def identity_slice(pod: Pod, settings: PodIdentity) -> Pod:
    """The Pod with no more than ``cluster_spiffe_id_for`` reads, and what tells it from another.

    Most of a large cluster's Pods may ask for no identity: a cache of them need hold little.
    """
    meta = pod.metadata
    read = {settings.key} if excluded(pod, settings) is None else frozenset[str]()
    is_label, is_annotation = settings.mode == "label", settings.mode == "annotation"
    return Pod(
        api_version=pod.api_version,
        kind=pod.kind,
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            labels={key: meta.labels[key] for key in read & meta.labels.keys() if is_label},
            annotations={
                key: meta.annotations[key]
                for key in read & meta.annotations.keys()
                if is_annotation
            },
        ),
        spec=PodSpec(service_account_name=pod.spec.service_account_name),
        status=PodStatus(phase=pod.status.phase),
    )


def owned_by(obj: ClusterSpiffeId, namespace: Namespace) -> ClusterSpiffeId:
    """The object with the Pod's Namespace as its owner, so that it goes when that goes."""
    owner = OwnerReference(
        api_version=NAMESPACE.api_version,
        kind=NAMESPACE.kind,
        name=namespace.metadata.name,
        uid=namespace.metadata.uid,
    )
    return msgspec.structs.replace(
        obj, metadata=msgspec.structs.replace(obj.metadata, owner_references=(owner,))
    )
