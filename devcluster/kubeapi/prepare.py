"""What the server adds to an object of a kind when it is made, beyond the schema's defaults.

Only what clients look at: phases, the namespace's label and finalizer, a Pod's usual fields.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from devcluster.kubeapi.documents import JSONObject, JSONValue, child, make_child, objects, text
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.status import Cause

Preparation: TypeAlias = Callable[[JSONObject], None]

_KEY = re.compile("[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',"
    f"  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY.pattern}')"
)
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def _default(target: JSONObject, **values: JSONValue) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def _template(spec: JSONObject) -> None:
    """The defaults of a Pod's spec, also inside the template of a workload."""
    for container in objects(spec, "containers") + objects(spec, "initContainers"):
        image = text(container, "image")
        latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
        _default(
            container,
            resources={},
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            imagePullPolicy="Always" if latest else "IfNotPresent",
        )
        for port in objects(container, "ports"):
            _default(port, protocol="TCP")
    _default(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    account = spec.get("serviceAccountName")
    if account:
        _default(spec, serviceAccount=account)


def _pod(document: JSONObject) -> None:
    spec = make_child(document, "spec")
    _template(spec)
    _default(spec, serviceAccountName="default", enableServiceLinks=True, priority=0)
    _default(spec, serviceAccount=spec["serviceAccountName"])
    _default(spec, preemptionPolicy="PreemptLowerPriority")
    document["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _namespace(document: JSONObject) -> None:
    labels = make_child(make_child(document, "metadata"), "labels")
    labels["kubernetes.io/metadata.name"] = text(document, "metadata", "name")
    _default(make_child(document, "spec"), finalizers=["kubernetes"])
    document["status"] = {"phase": "Active"}


def _node(document: JSONObject) -> None:
    make_child(document, "spec")
    # A node comes with the status that its kubelet registers it with.
    make_child(document, "status")


def _service(document: JSONObject) -> None:
    spec = make_child(document, "spec")
    _default(spec, type="ClusterIP", sessionAffinity="None")
    for port in objects(spec, "ports"):
        _default(port, protocol="TCP")
        _default(port, targetPort=port.get("port"))
    document["status"] = {"loadBalancer": {}}


def _workload(document: JSONObject) -> None:
    spec = make_child(document, "spec")
    template = make_child(spec, "template")
    _template(make_child(template, "spec"))
    if text(document, "kind") in {"Deployment", "ReplicaSet", "StatefulSet"}:
        _default(spec, replicas=1)
    document.setdefault("status", {})


def _event(document: JSONObject) -> None:
    _default(
        document,
        source={},
        firstTimestamp=None,
        lastTimestamp=None,
        eventTime=None,
        reportingComponent="",
        reportingInstance="",
    )


def _csi_driver(document: JSONObject) -> None:
    _default(
        make_child(document, "spec"),
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        requiresRepublish=False,
        volumeLifecycleModes=["Persistent"],
    )


def _secret(document: JSONObject) -> None:
    _default(document, type="Opaque")


def _crd(document: JSONObject) -> None:
    spec = make_child(document, "spec")
    names = make_child(spec, "names")
    _default(names, singular=text(names, "kind").lower(), listKind=f"{text(names, 'kind')}List")
    _default(spec, conversion={"strategy": "None"})


_PREPARATIONS: Mapping[str, Preparation] = {
    "Pod": _pod,
    "Namespace": _namespace,
    "Node": _node,
    "Service": _service,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Job": _workload,
    "Secret": _secret,
    "CSIDriver": _csi_driver,
    "CustomResourceDefinition": _crd,
}


def prepare(resource: Resource, document: JSONObject) -> None:
    """Completes a new built-in object, in its stored form."""
    preparation = None if resource.custom else _PREPARATIONS.get(resource.kind)
    if preparation is not None:
        preparation(document)


def settle(resource: Resource, document: JSONObject) -> None:
    """Puts at every write into its stored form what may be said in another way."""
    if resource.custom:
        return
    if resource.kind == "Event":
        _event(document)
    if resource.kind != "Secret" or "stringData" not in document:
        return
    given = child(document, "stringData")
    del document["stringData"]
    data = make_child(document, "data")
    for key, value in given.items():
        data[key] = base64.b64encode(str(value).encode()).decode()


def check(resource: Resource, document: JSONObject) -> list[Cause]:
    """What a built-in kind refuses beyond types: the few cases that a test may meet."""
    causes: list[Cause] = []
    if resource.custom:
        return causes
    if resource.kind == "Pod" and not objects(document, "spec", "containers"):
        causes.append(Cause("FieldValueRequired", "Required value", "spec.containers"))
    if resource.kind in {"ConfigMap", "Secret"}:
        causes += [
            Cause("FieldValueInvalid", f'Invalid value: "{key}": {_KEY_RULE}', f"data[{key}]")
            for key in child(document, "data")
            if not _KEY.fullmatch(key)
        ]
    if resource.kind == "CustomResourceDefinition":
        spec = child(document, "spec")
        wanted = f"{text(spec, 'names', 'plural')}.{text(spec, 'group')}"
        if text(document, "metadata", "name") != wanted:
            rule = (
                f'Invalid value: "{text(document, "metadata", "name")}": must be'
                ' spec.names.plural+"."+spec.group'
            )
            causes.append(Cause("FieldValueInvalid", rule, "metadata.name"))
    return causes
