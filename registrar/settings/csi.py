"""The node driver's file: its keys, and the file into settings.

The same HCL as the registrar's, another file: the driver is another program on
every node.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from registrar.settings import keys, values
from registrar.settings.exposure import shown_by
from registrar.settings.files import read_hcl, read_text
from registrar.settings.keys import Key
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


NODE: Key[str] = Key(
    name="node_name",
    kind="text",
    read=values.lease_name,
    default="",
    shown=f"the variable `{NODE_NAME}`",
    meaning="The node's name, for the selector `k8s:node-name`.",
)
ADMIN_SOCKET: Key[Path | None] = Key(
    name=keys.NODE_DRIVER_KEY,
    kind="path",
    read=values.socket_path,
    default=None,
    shown="none, if there is a `workload_api_socket_path`: volumes of the mode `files` are refused",
    meaning="The SPIRE agent's admin socket, with the Delegated Identity API. The agent's "
    "`authorized_delegates` must name the driver's SPIFFE ID.",
)
WORKLOAD_API: Key[Path | None] = Key(
    name="workload_api_socket_path",
    kind="path",
    read=values.socket_path,
    default=None,
    shown="none: volumes of the mode `workload-api` are refused",
    meaning="The agent's Workload API socket, whose folder volumes of the mode `workload-api` "
    "show. The folder must not hold the admin socket, by whatever path or link.",
)
CSI_SOCKET: Key[Path] = Key(
    name="csi_socket_path",
    kind="path",
    read=values.socket_path,
    default=Path("/csi/csi.sock"),
    meaning="The socket that the kubelet calls.",
)
ENDPOINT: Key[Path | None] = Key(
    name="kubelet_socket_path",
    kind="path",
    read=values.path,
    default=None,
    shown="`plugins/csi.spire.io/csi.sock` in `kubelet_dir`",
    meaning="The same socket, by the path that the kubelet sees.",
)
SELF_REGISTRATION: Key[bool] = Key(
    name="self_registration",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=True,
    meaning="Register with the kubelet; `false` where the sidecar node-driver-registrar does.",
)
REGISTRATION_DIR: Key[Path] = Key(
    name="registration_dir",
    kind="path",
    read=values.path,
    default=Path("/registration"),
    meaning="The kubelet's folder `plugins_registry`, as the driver sees it.",
)
KUBELET_DIR: Key[Path] = Key(
    name="kubelet_dir",
    kind="path",
    read=values.path,
    default=Path("/var/lib/kubelet"),
    meaning="The folder that the kubelet works in; the same path inside the driver's container.",
)
DATA_DIR: Key[Path] = Key(
    name="data_dir",
    kind="path",
    read=values.path,
    default=Path("/csi/volumes"),
    meaning="Where the driver remembers its volumes. No secrets; it must outlive the container.",
)
FIRST_SVID: Key[float] = Key(
    name="first_svid_timeout",
    kind="duration",
    read=values.seconds,
    default=30.0,
    meaning="How long a Pod's start waits for its first SVID before the kubelet is told why there "
    "is none. The kubelet tries again, and each further call waits longer, up to 100 s.",
)
AGENT_AWAY: Key[float] = Key(
    name="agent_away",
    kind="duration",
    read=values.seconds,
    default=600.0,
    meaning="How long the agent may be away before Pods are told, and volumes count as abnormal.",
)
EVENTS: Key[bool] = Key(
    name="events",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=True,
    meaning="Say in Events on Pods why they wait, and what is wrong with their volumes. `false`: "
    "in the log alone; the API server is never called.",
)
METRICS = replace(keys.METRICS, default=":8090")

CSI_KEYS: tuple[Key[object], ...] = (
    NODE,
    ADMIN_SOCKET,
    WORKLOAD_API,
    CSI_SOCKET,
    ENDPOINT,
    SELF_REGISTRATION,
    REGISTRATION_DIR,
    KUBELET_DIR,
    DATA_DIR,
    FIRST_SVID,
    AGENT_AWAY,
    EVENTS,
    METRICS,
    keys.LOG_LEVEL,
    keys.LOG_FORMAT,
    keys.LOG_PATH,
    keys.KUBECONFIG,
)
"""The table, in the order of the reference page."""


def load_csi(path: Path, *, environment: Mapping[str, str] | None = None) -> CSISettings:
    """The settings of a file. Raises ConfigError with all problems."""
    return interpret_csi(
        read_text(path), path=path, environment=os.environ if environment is None else environment
    )


def interpret_csi(text: str, *, path: Path, environment: Mapping[str, str]) -> CSISettings:
    """As ``load_csi``, with the file's text given; ``path`` only names it in problems."""
    reader = read_hcl(text, path, {})
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
        metrics_addr=reader.get(METRICS),
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
