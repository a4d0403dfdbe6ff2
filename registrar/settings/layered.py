"""The layered registrar's file into Settings."""

from registrar.settings import keys
from registrar.settings.legacy import LAYERED
from registrar.settings.model import (
    Origin,
    PodIdentity,
    Settings,
    SpireAddress,
    TCPAddress,
    UnixAddress,
)
from registrar.settings.reader import Reader
from registrar.settings.shared import deletion_budget, leader_election, pod_identity


def interpret_layered(reader: Reader) -> Settings:
    """The settings; what is wrong is left with the reader."""
    reader.check_names(keys.KEYS, {})
    class_name = reader.get(keys.CLASS_NAME)
    lease = f"{keys.LEASE_NAME}-{class_name}" if class_name else keys.LEASE_NAME
    return Settings(
        cluster=reader.get(keys.CLUSTER),
        trust_domain=reader.get(keys.TRUST_DOMAIN),
        spire=_spire(reader),
        class_name=class_name,
        entry_id_prefix=reader.get(keys.ENTRY_ID_PREFIX),
        adoption_policy=reader.get(keys.ADOPTION_POLICY),
        pods=_pods(reader),
        leader_election=leader_election(reader, lease, named_by=keys.CLASS_NAME),
        drift_interval_seconds=reader.get(keys.DRIFT_INTERVAL),
        deletion_budget=deletion_budget(reader),
        metrics_addr=reader.get(keys.METRICS),
        log_level=reader.get(keys.LOG_LEVEL),
        log_format=reader.get(keys.LOG_FORMAT),
        log_path=reader.get(keys.LOG_PATH),
        kubeconfig=reader.get(keys.KUBECONFIG),
        warnings=tuple(reader.warnings),
        origin=Origin(LAYERED, "layered", "no key of another tool stands in it"),
    )


def _spire(reader: Reader) -> SpireAddress:
    if reader.given(keys.SERVER_ADDRESS) and not reader.given(keys.SERVER_SOCKET_PATH):
        reader.report_key(
            keys.SERVER_SOCKET_PATH,
            "missing; with server_address it is required as the socket of the SPIRE agent's "
            "Workload API",
        )
        socket = keys.SERVER_SOCKET_PATH.default
    else:
        socket = reader.get(keys.SERVER_SOCKET_PATH)
    address = reader.get(keys.SERVER_ADDRESS)
    if address is None:
        return UnixAddress(socket)
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=socket)


def _pods(reader: Reader) -> PodIdentity | None:
    """How Pods are identified; the keys are checked also while the controller is off."""
    identity = pod_identity(reader)
    return identity if reader.get(keys.POD_CONTROLLER) else None
