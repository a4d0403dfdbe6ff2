"""Objects that were stored under a CRD without checks, as the original's is, meet ours."""

from collections.abc import Callable

import pytest

from devcluster.kubeapi.documents import JSONObject, child, copy_of, obj, objects, text
from tests.conformance.kube.client import CRDS, Kube
from tests.conformance.kube.spire_kinds import (
    DEFINITIONS,
    STATIC,
    definition,
    document_of,
    federating,
    path_of,
    served,
)
from tests.support.waiting import eventually


def _walked(schema: JSONObject, change: Callable[[JSONObject], None]) -> None:
    """Change a schema and all that it contains."""
    change(schema)
    for inner in child(schema, "properties").values():
        _walked(obj(inner), change)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _walked(child(schema, name), change)


def _without_checks(schema: JSONObject) -> None:
    """Leave of a schema what the original's has: types, and hardly a check."""
    for name in (
        "x-kubernetes-validations",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "enum",
    ):
        schema.pop(name, None)


@pytest.mark.parametrize(
    ("kind", "spec", "better"),
    [
        ("ClusterSPIFFEID", {"spiffeIDTemplate": "x", "ttl": "soon"}, {"ttl": "1h"}),
        ("ClusterStaticEntry", {**STATIC, "selectors": ["unix"]}, {"hint": "better"}),
        ("ClusterFederatedTrustDomain", federating(trustDomain="a b"), {"className": "mine"}),
    ],
    ids=DEFINITIONS,
)
async def test_an_object_stored_before_the_checks_can_still_be_changed(
    kube: Kube, kind: str, spec: JSONObject, better: JSONObject
) -> None:
    checked = definition(kind)
    unchecked = copy_of(checked)
    version = objects(unchecked, "spec", "versions")[0]
    _walked(child(version, "schema", "openAPIV3Schema"), _without_checks)
    crd_path = f"{CRDS}/{text(checked, 'metadata', 'name')}"
    await kube.delete(crd_path)
    await kube.until_gone(crd_path)
    await served(kube, kind, unchecked)
    path = f"{path_of(kind)}/it"

    async def is_unchecked() -> bool:
        # For a moment the server may still know the schema that was deleted.
        return (await kube.post(path_of(kind), document_of(kind, spec), dryRun="All")).code == 201

    await eventually(is_unchecked)
    await kube.made(path_of(kind), document_of(kind, spec))
    assert (await kube.patch(crd_path, {"spec": checked["spec"]})).code == 200

    async def is_checked() -> bool:
        dry = await kube.post(path_of(kind), document_of(kind, spec, "other"), dryRun="All")
        return dry.code == 422

    await eventually(is_checked)
    labelled = await kube.patch(path, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.code == 200, labelled.body
    observed = await kube.patch(f"{path}/status", {"status": {"observedGeneration": 1}})
    assert observed.code == 200, observed.body
    changed = await kube.patch(path, {"spec": better})
    assert changed.code == 200, changed.body
    worse: JSONObject = {
        name: f"{value} again" for name, value in spec.items() if isinstance(value, str)
    }
    assert (await kube.patch(path, {"spec": worse})).code == 422
    await kube.delete(path)
    await kube.delete(crd_path)
    await kube.until_gone(crd_path)
