"""What the node's servers are told: their configuration files and their command lines."""

import json
from pathlib import Path

from hack import auditlog
from hack.node import debian
from hack.node.init import ADDRESS
from hack.node.sandbox import HOSTNAME

API_PORT = 6443
API_SERVER = f"https://{ADDRESS}:{API_PORT}"
SERVICES = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
SANDBOX_IMAGE = "docker.io/library/pause:node"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
IMAGE_NAMESPACE = "k8s.io"

# Where a server says that it is ready, as seen from the node.
HEALTH = {
    "kubelet": "http://127.0.0.1:10248/healthz",
    "kube-proxy": "http://127.0.0.1:10256/healthz",
    "coredns": "http://127.0.0.1:8181/ready",
}

_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"
_PODS = "10.244.0.0/24"


def etcd(folder: Path) -> list[str]:
    """Return the arguments of etcd."""
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster=default={_ETCD_PEER}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(folder: Path, pki: Path) -> list[str]:
    """Return the arguments of kube-apiserver: as on any cluster, nothing is turned off."""
    return [
        f"--etcd-servers={_ETCD}",
        f"--secure-port={API_PORT}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={ADDRESS}",
        f"--tls-cert-file={pki / 'api-server.crt'}",
        f"--tls-private-key-file={pki / 'api-server.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'api-server-client.crt'}",
        f"--kubelet-client-key={pki / 'api-server-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-account-key-file={pki / 'service-account.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICES}",
        *auditlog.arguments(folder),
    ]


def controller_manager(pki: Path) -> list[str]:
    """Return the arguments of kube-controller-manager, with all of its default controllers."""
    return [
        f"--kubeconfig={pki / 'controller-manager.kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(pki: Path) -> list[str]:
    """Return the arguments of kube-scheduler."""
    return [
        f"--kubeconfig={pki / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def containerd(folder: Path) -> list[str]:
    """Write containerd's configuration and that of its network; return its arguments."""
    network = folder / "cni"
    network.mkdir(exist_ok=True)
    plugins: list[dict[str, object]] = [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": _PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    # Debian's plugins know version 1.0.0 at most.
    document = {"cniVersion": "1.0.0", "name": "node", "plugins": plugins}
    (network / "10-node.conflist").write_text(json.dumps(document, indent=1))
    path = folder / "containerd.toml"
    path.write_text(_CONTAINERD.format(network=network, plugins=debian.cni_folder()))
    return ["--config", str(path)]


# It runs without the right to lower anybody's OOM score (CAP_SYS_RESOURCE), as in most containers.
_CONTAINERD = f"""\
version = 4
root = '/var/lib/containerd'
state = '/run/containerd'
oom_score = 0
imports = []
disabled_plugins = [
  'io.containerd.nri.v1.nri',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.erofs',
]

[plugins.'io.containerd.server.v1.grpc']
  address = '{CONTAINERD_SOCKET}'
[plugins.'io.containerd.server.v1.ttrpc']
  address = '{CONTAINERD_SOCKET}.ttrpc'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{SANDBOX_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['{{plugins}}']
  conf_dir = '{{network}}'
"""


def kubelet(folder: Path, pki: Path, cgroup: str) -> list[str]:
    """Write the kubelet's configuration; return its arguments. Its folder is the usual one."""
    resolver = folder / "resolv.conf"
    # What CoreDNS does not know nobody here knows.
    resolver.write_text(f"nameserver {ADDRESS}\n")
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A lower one needs CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": ["pods"],
        # The disk is the machine's: how full others made it says nothing of this node.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "clusterDomain": DOMAIN,
        "clusterDNS": [DNS_SERVICE],
        "resolvConf": str(resolver),
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
    }
    path = folder / "kubelet.yaml"
    path.write_text(json.dumps(document, indent=1))  # YAML includes JSON
    return [
        f"--config={path}",
        f"--kubeconfig={pki / 'kubelet.kubeconfig'}",
        f"--hostname-override={HOSTNAME}",
        f"--node-ip={ADDRESS}",
        "--v=2",
    ]


def proxy(folder: Path, pki: Path) -> list[str]:
    """Write kube-proxy's configuration; return its arguments."""
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(pki / "proxy.kubeconfig")},
        "clusterCIDR": _PODS,
        "hostnameOverride": HOSTNAME,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # Settings of the machine's kernel, which are not the node's to change.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    path = folder / "proxy.yaml"
    path.write_text(json.dumps(document, indent=1))
    return [f"--config={path}"]


def dns(folder: Path, pki: Path) -> list[str]:
    """Write CoreDNS' configuration; return its arguments."""
    path = folder / "Corefile"
    path.write_text(
        f""".:53 {{
  bind {ADDRESS}
  errors
  ready 127.0.0.1:8181
  kubernetes {DOMAIN} in-addr.arpa {{
    kubeconfig {pki / "admin.kubeconfig"}
  }}
  cache 5
}}
"""
    )
    return ["-conf", str(path)]


def dns_service() -> str:
    """Return the manifests that let Pods find CoreDNS, which runs beside the kubelet."""
    ports = [{"name": name.lower(), "port": 53, "protocol": name} for name in ("UDP", "TCP")]
    about = {"name": "kube-dns", "namespace": "kube-system"}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": about,
            "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": about | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
