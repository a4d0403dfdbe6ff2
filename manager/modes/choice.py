"""The mode that the configuration asks for."""

import os
from pathlib import Path

from manager.modes.controllermanager import controller_manager
from manager.modes.crd import crd
from manager.modes.layered import layered
from manager.modes.mode import Mode
from manager.modes.reconcile import reconcile
from manager.modes.webhook import webhook
from registrar.errors import InvalidField
from registrar.settings.model import CRDMode, ReconcileMode, Settings, WebhookMode

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def mode_of(settings: Settings, *, namespace: str | None = None) -> Mode:
    """The mode. Raises InvalidField for templates and patterns that are none.

    ``namespace`` is the one that the registrar runs in, by default what its Pod says.
    """
    manager, workload = settings.controller_manager, settings.workload_registrar
    if namespace is None:
        namespace = own_namespace_or_none()
    if manager is not None:
        return controller_manager(settings, manager, namespace=namespace)
    match workload:
        case ReconcileMode():
            return reconcile(settings, workload, namespace=namespace)
        case WebhookMode():
            return webhook(settings, workload, namespace=namespace)
        case CRDMode():
            return crd(settings, workload, namespace=namespace)
    return layered(settings)


def own_namespace(field: str = "leader_election_namespace") -> str:
    """The namespace that this Pod runs in. Raises InvalidField of a key outside a cluster."""
    named = os.environ.get("MY_POD_NAMESPACE", "")
    if named:
        return named
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        raise InvalidField(
            field,
            "",
            "not in a cluster, so name the namespace of the Lease, or set MY_POD_NAMESPACE",
        ) from None


def own_namespace_or_none() -> str:
    """The namespace that this Pod runs in, empty outside of a cluster."""
    try:
        return own_namespace()
    except InvalidField:
        return ""
