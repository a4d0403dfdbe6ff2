"""k8s-workload-registrar's file into Settings."""

from dataclasses import replace
from pathlib import Path

from registrar.settings import keys
from registrar.settings import workloadkeys as own
from registrar.settings.legacy import WORKLOAD
from registrar.settings.model import (
    CRDMode,
    LeaderElection,
    PodIdentity,
    ReconcileMode,
    Settings,
    SpiffeIDWebhook,
    SpireAddress,
    TCPAddress,
    UnixAddress,
    WebhookMode,
)
from registrar.settings.reader import Reader
from registrar.settings.shared import leader_election, pod_identity, shared_settings
from registrar.settings.values import is_zero


def interpret_workload(reader: Reader, why: str) -> tuple[Settings, str]:
    """The settings, and why it is this mode; what is wrong is left with the reader.

    ``why`` it is this tool's file.
    """
    mode = reader.get(own.MODE)
    if not reader.given(own.MODE):
        _check_default_mode(reader, why)
        why += "; webhook is the default of mode"
    reader.dialect = mode
    reader.check_names(own.keys_of(mode), own.idle_in(mode))
    settings = shared_settings(reader, _spire)
    identity = pod_identity(reader)
    pods: PodIdentity | None = identity
    election: LeaderElection | None = None
    config: WebhookMode | ReconcileMode | CRDMode
    if mode == "webhook":
        config = _webhook(reader)
    elif mode == "reconcile":
        config = _reconcile(reader)
        election = _election(reader, f"{config.controller_name}-leader-election")
    else:
        config = _crd(reader)
        pods = _crd_pods(reader, identity)
        election = _election(reader, keys.CRD_LEASE)
    settings = replace(settings, pods=pods, leader_election=election, workload_registrar=config)
    return settings, why


def _check_default_mode(reader: Reader, why: str) -> None:
    """Ask for the mode where keys of another one say that the default can hardly be meant."""
    pointing = {
        name: modes
        for name, entry in reader.root.entries.items()
        if not is_zero(entry.value) and (modes := own.other_modes(name, "webhook"))
    }
    if not pointing:
        return
    fitting = [mode for mode in own.MODES if all(mode in modes for modes in pointing.values())]
    words = " or ".join(f'mode = "{mode}"' for mode in fitting or own.MODES)
    named = ", ".join(pointing)
    reader.report_key(
        own.MODE,
        f"missing: {why}, so the file is {WORKLOAD}'s, whose default is webhook, and that knows "
        f'no {named}. Write {words}; or mode = "webhook", where they do nothing',
    )


def _spire(reader: Reader) -> SpireAddress:
    address, socket = reader.get(own.SERVER), reader.get(keys.SERVER_SOCKET_PATH)
    agent = reader.get(own.AGENT_SOCKET)
    if not reader.given(own.SERVER) and not reader.given(keys.SERVER_SOCKET_PATH):
        reader.report_key(keys.SERVER_SOCKET_PATH, "missing: give it or server_address")
    if isinstance(address, Path):
        return UnixAddress(address)
    if address is None:
        return UnixAddress(socket)
    if not reader.given(own.AGENT_SOCKET):
        reader.report_key(
            own.AGENT_SOCKET, "missing; it is required while server_address is no unix socket"
        )
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=agent or Path())


def _election(reader: Reader, name: str) -> LeaderElection | None:
    lock = reader.get(own.LOCK)
    if lock != own.LOCK.default:
        reader.warn_key(
            own.LOCK,
            f"is {lock!r}, and the lock is a Lease nevertheless; the role needs get, create and "
            "update on leases",
        )
    return leader_election(reader, name, named_by=own.CONTROLLER_NAME)


def _webhook(reader: Reader) -> WebhookMode:
    host, port = reader.get(own.ADDRESS)
    authority = reader.get(own.CLIENT_AUTHORITY)
    return WebhookMode(
        host=host,
        port=port,
        certificate=reader.get(own.CERTIFICATE),
        key=reader.get(own.PRIVATE_KEY),
        client_authority=None if reader.get(own.SKIP_CLIENTS) else authority,
    )


def _reconcile(reader: Reader) -> ReconcileMode:
    zone = reader.get(own.DNS_ZONE)
    return ReconcileMode(
        controller_name=reader.get(own.CONTROLLER_NAME),
        dns_zone=zone if reader.get(own.POD_DNS_NAMES) else "",
    )


def _crd(reader: Reader) -> CRDMode:
    template = reader.get(own.IDENTITY)
    if reader.given(own.IDENTITY):
        for other in (keys.POD_LABEL, keys.POD_ANNOTATION):
            if reader.given(other):
                reader.report_key(
                    own.IDENTITY, f"cannot be given together with {other.name}: keep one of them"
                )
    webhook = SpiffeIDWebhook(
        port=reader.get(own.WEBHOOK_PORT),
        service_name=reader.get(own.WEBHOOK_SERVICE),
        configuration_name=reader.get(own.WEBHOOK_CONFIGURATION),
    )
    return CRDMode(
        identity_template=CRDMode().identity_template if template is None else template,
        dns_name_templates=reader.get(own.DNS_NAMES),
        context=reader.get(own.CONTEXT),
        service_dns_names=reader.get(own.SERVICE_DNS_NAMES),
        webhook=webhook if reader.get(own.WEBHOOK) else None,
        namespaced_downstream=reader.get(own.NAMESPACED_DOWNSTREAM),
    )


def _crd_pods(reader: Reader, identity: PodIdentity) -> PodIdentity | None:
    """How Pods are identified; by template unless a label or annotation is named."""
    label = reader.get(own.IDENTITY_LABEL) or ""
    if identity.mode == "service_account":
        identity = PodIdentity("template", label, identity.disabled_namespaces)
    elif label:
        reader.warn_key(
            own.IDENTITY_LABEL, f"does nothing here: identities come by {identity.mode}"
        )
    return identity if reader.get(keys.POD_CONTROLLER) else None
