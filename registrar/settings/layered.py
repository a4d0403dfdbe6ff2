"""The layered registrar's file into Settings."""

from dataclasses import replace

from registrar.settings import keys
from registrar.settings.model import PodIdentity, Settings, SpireAddress, TCPAddress, UnixAddress
from registrar.settings.reader import Reader
from registrar.settings.shared import leader_election, pod_identity, shared_settings


def interpret_layered(reader: Reader) -> Settings:
    """The settings; what is wrong is left with the reader."""
    reader.check_names(keys.KEYS, {})
    settings = shared_settings(reader, _spire)
    name = settings.class_name
    lease = f"{keys.LEASE_NAME}-{name}" if name else keys.LEASE_NAME
    return replace(
        settings,
        pods=_pods(reader),
        leader_election=leader_election(reader, lease, named_by=keys.CLASS_NAME),
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
