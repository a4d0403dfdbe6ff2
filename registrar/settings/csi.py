"""The node driver's file: its keys, and the file into settings.

The same HCL as the registrar's, another file: the driver is another program on
every node.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registrar.settings import keys, kinds
from registrar.settings.exposure import shown_by
from registrar.settings.files import parse_hcl, read_text
from registrar.settings.kinds import Key
from registrar.settings.model import LogFormat, LogLevel
from registrar.settings.problems import ConfigError
from registrar.settings.reader import Reader

_LONGEST_WAIT_SECONDS = 100.0
_ENDPOINT = Path("plugins/csi.spire.io/csi.sock")

NODE_NAME = "NODE_NAME"
"""The variable that names the node where the file does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CSISettings:
    """The settings of one driver, checked. Times are seconds.

    ``agent_admin_socket`` None: the driver asks the agent nothing, and only shows the Workload
    API. ``registration_dir`` None: a sidecar registers the driver. ``events`` False: the API
    server is never called.
    """

    node_name: str
    agent_admin_socket: Path | None
    workload_api_socket: Path | None
    csi_socket: Path
    endpoint: Path
    registration_dir: Path | None
    kubelet_dir: Path
    data_dir: Path
    first_svid_timeout: float
    agent_away: float
    events: bool
    metrics_addr: str
    log_level: LogLevel
    log_format: LogFormat
    log_path: Path | None
    kubeconfig: Path | None
    context: str = ""

    @property
    def secrets(self) -> dict[str, Path]:
        """What no Pod may see, by key: whoever reaches it has the SVIDs of other Pods."""
        found = {
            CSI_SOCKET.name: self.csi_socket,
            DATA_DIR.name: self.data_dir,
            KUBELET_DIR.name: self.kubelet_dir,
        }
        if self.agent_admin_socket is not None:
            found[ADMIN_SOCKET.name] = self.agent_admin_socket
        if self.registration_dir is not None:
            found[REGISTRATION_DIR.name] = self.registration_dir
        return found


# The table: one row for each key, in the order of the reference page.
# fmt: off
NODE = Key("node_name", kinds.DNS_NAME, "",
    "The node's name, for the selector `k8s:node-name`.", shown=f"the variable `{NODE_NAME}`")
ADMIN_SOCKET = Key(keys.NODE_DRIVER_KEY, kinds.SOCKET, None,
    "The SPIRE agent's admin socket, with the Delegated Identity API. The agent's "
    "`authorized_delegates` must name the driver's SPIFFE ID.",
    shown="none, if there is a `workload_api_socket_path`: volumes of the mode `files` are refused")
WORKLOAD_API = Key("workload_api_socket_path", kinds.SOCKET, None,
    "The agent's Workload API socket, whose folder volumes of the mode `workload-api` "
    "show. The folder must not hold the admin socket, by whatever path or link.",
    shown="none: volumes of the mode `workload-api` are refused")
CSI_SOCKET = Key("csi_socket_path", kinds.SOCKET, Path("/csi/csi.sock"),
    "The socket that the kubelet calls.")
ENDPOINT = Key("kubelet_socket_path", kinds.PATH, None,
    "The same socket, by the path that the kubelet sees.",
    shown="`plugins/csi.spire.io/csi.sock` in `kubelet_dir`")
SELF_REGISTRATION = Key("self_registration", kinds.BOOLEAN, default=True,
    meaning="Register with the kubelet; `false` where the sidecar node-driver-registrar does.")
REGISTRATION_DIR = Key("registration_dir", kinds.PATH, Path("/registration"),
    "The kubelet's folder `plugins_registry`, as the driver sees it.")
KUBELET_DIR = Key("kubelet_dir", kinds.PATH, Path("/var/lib/kubelet"),
    "The folder that the kubelet works in; the same path inside the driver's container.")
DATA_DIR = Key("data_dir", kinds.PATH, Path("/csi/volumes"),
    "Where the driver remembers its volumes. No secrets; it must outlive the container.")
FIRST_SVID = Key("first_svid_timeout", kinds.DURATION, 30.0,
    "How long a Pod's start waits for its first SVID before the kubelet is told why there "
    "is none. The kubelet tries again, and each further call waits longer, up to 100 s.")
AGENT_AWAY = Key("agent_away", kinds.DURATION, 600.0,
    "How long the agent may be away before Pods are told, and volumes count as abnormal.")
EVENTS = Key("events", kinds.BOOLEAN, default=True,
    meaning="Say in Events on Pods why they wait, and what is wrong with their volumes. `false`: "
    "in the log alone; the API server is never called.")
# fmt: on

CSI_KEYS: tuple[Key[object], ...] = (
    *(row for row in list(globals().values()) if type(row) is Key),
    *keys.keys_of("csi"),
)
"""The table: every row above, and what the driver shares with the registrars."""


def load_csi(path: Path, *, environment: Mapping[str, str] | None = None) -> CSISettings:
    """The settings of a file. Raises ConfigError with all problems."""
    return interpret_csi(
        read_text(path), path=path, environment=os.environ if environment is None else environment
    )


def interpret_csi(text: str, *, path: Path, environment: Mapping[str, str]) -> CSISettings:
    """As ``load_csi``, with the file's text given; ``path`` only names it in problems."""
    document = parse_hcl(text, path)
    reader = Reader(path, document.root, "csi")
    reader.report_repeated(document.repeated)
    reader.check_names(CSI_KEYS, {})
    settings = _settings(reader, environment)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _settings(reader: Reader, environment: Mapping[str, str]) -> CSISettings:
    node = reader.get(NODE) or environment.get(NODE_NAME, "")
    if not node:
        reader.report_key(NODE, f"missing; give it, or the variable {NODE_NAME}")
    if reader.get(FIRST_SVID) > _LONGEST_WAIT_SECONDS:
        reader.report_key(
            FIRST_SVID,
            f"at most {_LONGEST_WAIT_SECONDS:g} s: a kubelet waits for two minutes, and would "
            "never hear why",
        )
    if reader.get(ADMIN_SOCKET) is None and reader.get(WORKLOAD_API) is None:
        reader.report_key(
            ADMIN_SOCKET,
            f"missing; give it, or {WORKLOAD_API.name} alone for volumes of the mode workload-api",
        )
    kubelet_dir = reader.get(KUBELET_DIR)
    settings = CSISettings(
        node_name=node,
        agent_admin_socket=reader.get(ADMIN_SOCKET),
        workload_api_socket=reader.get(WORKLOAD_API),
        csi_socket=reader.get(CSI_SOCKET),
        endpoint=reader.get(ENDPOINT) or kubelet_dir / _ENDPOINT,
        registration_dir=reader.get(REGISTRATION_DIR) if reader.get(SELF_REGISTRATION) else None,
        kubelet_dir=kubelet_dir,
        data_dir=reader.get(DATA_DIR),
        first_svid_timeout=reader.get(FIRST_SVID),
        agent_away=reader.get(AGENT_AWAY),
        events=reader.get(EVENTS),
        metrics_addr=reader.get(keys.METRICS),
        log_level=reader.get(keys.LOG_LEVEL),
        log_format=reader.get(keys.LOG_FORMAT),
        log_path=reader.get(keys.LOG_PATH),
        kubeconfig=reader.get(keys.KUBECONFIG),
    )
    _check_exposure(reader, settings)
    return settings


def _check_exposure(reader: Reader, settings: CSISettings) -> None:
    """No Pod sees a secret, as far as one can tell from here and now."""
    socket = settings.workload_api_socket
    if socket is None:
        return
    why = shown_by(socket.parent, settings.secrets)
    if why:
        reader.report_key(
            WORKLOAD_API,
            f"{why}, which Pods would see: give the two sockets folders beside each other, and "
            "this one nothing else",
        )
