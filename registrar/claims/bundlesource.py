"""Where a ClusterFederatedTrustDomain has its bundle from, and what that shows.

Pure: ``manager.caches.bundlesources`` reads the ConfigMaps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.errors import shortened
from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import (
    BundleSource,
    ClusterFederatedTrustDomain,
)
from registrar.claims.claim import Problem
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle
from registrar.identity.publishedbundle import parse_published

FIELD = "spec.trustDomainBundleFrom"
_MOST_SHOWN = 200

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a ConfigMap."""

    configmap: ObjectKey
    key: str

    def __str__(self) -> str:
        """As ``spire-registrar wait`` takes it too."""
        return f"{self.configmap.namespace}/{self.configmap.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source shows: a bundle, or a problem; neither where there is no source to read."""

    bundle: Bundle | None = None
    problem: Problem | None = None


NO_SOURCE = Reading()


def check_source(given: BundleSource) -> Source:
    """The source that an object names. Raises InvalidField."""
    ref, path = given.config_map_key_ref, f"{FIELD}.configMapKeyRef"
    if ref is None:
        raise InvalidField(path, "", "name a ConfigMap: namespace, name and key")
    rules = (
        ("namespace", ref.namespace, _NAMESPACE, "the name of the ConfigMap's namespace"),
        ("name", ref.name, _NAME, "the name of a ConfigMap"),
        ("key", ref.key, _KEY, "a key below its data, such as bundle.json"),
    )
    for field, value, pattern, what in rules:
        if not pattern.fullmatch(value):
            raise InvalidField(f"{path}.{field}", value, f"write {what}")
    return Source(ObjectKey(ref.namespace, ref.name), ref.key)


def source_named(obj: ClusterFederatedTrustDomain) -> Source | None:
    """The source that an object names; None for none, and for one that cannot be."""
    if obj.spec.trust_domain_bundle_from is None:
        return None
    try:
        return check_source(obj.spec.trust_domain_bundle_from)
    except InvalidField:
        return None


def reading_of(source: Source, data: Mapping[str, str], *, trust_domain: str) -> Reading:
    """What the data of a ConfigMap says."""
    text = data.get(source.key)
    if text is None:
        there = ", ".join(sorted(data)) or "none"
        return _wrong(
            "BundleSourceKeyMissing",
            source,
            f"the ConfigMap has no such key (keys: {shortened(there, _MOST_SHOWN)}): publish the "
            "bundle there, or correct the key",
        )
    try:
        return Reading(parse_published(text, trust_domain=trust_domain, path=f"{source}"))
    except InvalidField as error:
        return _wrong("BundleSourceInvalid", source, str(error))


def missing(source: Source) -> Reading:
    """There is no such ConfigMap."""
    return _wrong(
        "BundleSourceMissing",
        source,
        "there is no such ConfigMap: publish the bundle there, or correct the name",
    )


def forbidden(source: Source, error: str) -> Reading:
    """We may not read it."""
    return _wrong(
        "BundleSourceForbidden",
        source,
        "give the registrar a Role in that namespace with get, list and watch on configmaps of "
        f"the name {source.configmap.name} ({error})",
    )


def unread(source: Source, error: str) -> Reading:
    """It could not be read yet, for whatever other reason."""
    return _wrong("BundleSourceUnread", source, f"it is tried again ({error})")


def without_cluster(source: Source) -> Reading:
    """There is no cluster to read it in."""
    return _wrong(
        "InvalidSpec",
        source,
        "without a cluster there are no ConfigMaps: write the bundle into trustDomainBundle",
    )


def _wrong(reason: str, source: Source, why: str) -> Reading:
    return Reading(problem=Problem(reason, f"{FIELD}.configMapKeyRef: '{source}': {why}"))
