"""Objects of the API server as they are, without types: they are kept whole and put back whole."""

from collections.abc import Callable

from api.codec import JSONObject, decode_object, encode
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from manager.migrate.reading import mapping
from registrar.kube.client import list_request, read_page
from registrar.kube.errors import Conflict, NotFound
from registrar.kube.session import API, Request

_PAGE = 500
_TRIES = 5

AnyKind = Kind[KubeObject]


def _kind(group: str, version: str, kind: str, plural: str, *, namespaced: bool = True) -> AnyKind:
    return Kind(group, version, kind, plural, namespaced=namespaced, type=KubeObject)


_RBAC = "rbac.authorization.k8s.io"
DEPLOYMENT = _kind("apps", "v1", "Deployment", "deployments")
STATEFUL_SET = _kind("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SET = _kind("apps", "v1", "DaemonSet", "daemonsets")
CLUSTER_ROLE = _kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDING = _kind(
    _RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE = _kind(_RBAC, "v1", "Role", "roles")
ROLE_BINDING = _kind(_RBAC, "v1", "RoleBinding", "rolebindings")
CRD = _kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
CONFIG_MAP = _kind("", "v1", "ConfigMap", "configmaps")
POD = _kind("", "v1", "Pod", "pods")
VALIDATING = _kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
KINDS = {
    kind.kind: kind
    for kind in (
        *WORKLOADS,
        CLUSTER_ROLE,
        CLUSTER_ROLE_BINDING,
        ROLE,
        ROLE_BINDING,
        CRD,
        CONFIG_MAP,
        VALIDATING,
    )
}


class Objects:
    """Reads and writes them through one Session. Every method raises KubeError."""

    def __init__(self, session: API) -> None:
        self.session = session

    async def all(
        self, kind: AnyKind, namespace: str = "", *, labels: str = ""
    ) -> list[JSONObject]:
        """All of a kind, in one namespace or in all."""
        found: list[JSONObject] = []
        token = ""
        while True:
            request = list_request(
                kind, limit=_PAGE, continue_token=token, namespace=namespace, label=labels
            )
            page = read_page(await self.session.call(request))
            # In a list the objects do not say what they are.
            named: JSONObject = {"apiVersion": kind.api_version, "kind": kind.kind}
            found += [{**named, **decode_object(item)} for item in page.items]
            token = page.continue_token
            if not token:
                return found

    async def get(self, kind: AnyKind, key: ObjectKey) -> JSONObject | None:
        """One object, or None where there is none."""
        try:
            return decode_object(await self.session.call(Request("GET", kind.object_path(key))))
        except NotFound:
            return None

    async def create(self, kind: AnyKind, document: JSONObject, key: ObjectKey) -> JSONObject:
        """Create it. AlreadyExists where the name is taken."""
        return await self._write("POST", kind.path(key.namespace), document)

    async def change(
        self, kind: AnyKind, key: ObjectKey, change: Callable[[JSONObject], JSONObject]
    ) -> JSONObject:
        """Read it and write it as ``change`` gives it; again where somebody else was faster.

        Nothing is written where nothing changes. NotFound where there is none.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._changed(kind, key, change)
            except Conflict:
                continue
        return await self._changed(kind, key, change)

    async def put(self, kind: AnyKind, document: JSONObject, key: ObjectKey) -> JSONObject:
        """Create it, or give the one that is there all but its metadata."""
        if await self.get(kind, key) is None:
            return await self.create(kind, document, key)
        rest = {name: value for name, value in document.items() if name != "metadata"}
        return await self.change(kind, key, lambda there: {**there, **rest})

    async def put_status(self, kind: AnyKind, document: JSONObject, key: ObjectKey) -> None:
        """Write the status of an object, where the kind has one apart from the rest."""
        there = await self.get(kind, key)
        if there is not None and document.get("status"):
            whole = {**there, "status": document["status"]}
            await self._write("PUT", kind.object_path(key, "status"), whole)

    async def patch(self, kind: AnyKind, key: ObjectKey, patch: JSONObject) -> None:
        """Apply a merge patch."""
        body, type_ = encode(patch), "application/merge-patch+json"
        path = kind.object_path(key)
        await self.session.call(Request("PATCH", path, body=body, content_type=type_))

    async def delete(self, kind: AnyKind, key: ObjectKey) -> None:
        """Delete it, unless it is gone already."""
        body: JSONObject = {"propagationPolicy": "Background"}
        try:
            path = kind.object_path(key)
            await self.session.call(Request("DELETE", path, body=encode(body)))
        except NotFound:
            return

    async def _changed(
        self, kind: AnyKind, key: ObjectKey, change: Callable[[JSONObject], JSONObject]
    ) -> JSONObject:
        request = Request("GET", kind.object_path(key))
        there = decode_object(await self.session.call(request))
        wanted = change(there)
        if wanted == there:
            return there
        # The version that was read is demanded.
        metadata = {
            **mapping(wanted.get("metadata")),
            "resourceVersion": mapping(there["metadata"]).get("resourceVersion"),
        }
        return await self._write("PUT", kind.object_path(key), {**wanted, "metadata": metadata})

    async def _write(self, method: str, path: str, document: JSONObject) -> JSONObject:
        return decode_object(await self.session.call(Request(method, path, body=encode(document))))
