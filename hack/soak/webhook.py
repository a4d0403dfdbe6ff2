"""How the API server is told to ask the registrar's webhook mode about every Pod."""

import json
from datetime import UTC, datetime
from pathlib import Path

from hack.control_plane import ControlPlane
from hack.processes import free_port
from registrar.admission.material import (
    Algorithms,
    Service,
    admission_configuration,
    kubeconfig,
    make_material,
    webhook_configuration,
)

_SERVICE = Service("k8s-workload-registrar", "spire")


def prepare(folder: Path) -> list[str]:
    """Make certificates in a folder; gives the arguments for the API server."""
    material = make_material(_SERVICE, algorithms=Algorithms(), now=datetime.now(UTC), ttl=None)
    port = free_port()
    (folder / "webhook-port").write_text(str(port), encoding="ascii")
    (folder / "cert.pem").write_text(material.server_certificate, encoding="ascii")
    (folder / "key.pem").write_text(material.server_key, encoding="ascii")
    (folder / "cacert.pem").write_text(material.authority, encoding="ascii")
    client = json.dumps(kubeconfig(material, _SERVICE))
    # In a cluster the Service's port is 443, which needs not be named.
    named = json.dumps(f"{_SERVICE.host}:{port}")
    client = client.replace(f'"name": {json.dumps(_SERVICE.host)}', f'"name": {named}')
    (folder / "client.kubeconfig").write_text(client, encoding="utf-8")
    admission = admission_configuration(str(folder / "client.kubeconfig"))
    (folder / "admission.yaml").write_text(json.dumps(admission), encoding="utf-8")
    document = webhook_configuration(material, _SERVICE)
    text = json.dumps(document)
    text = text.replace('"service": {', f'"service": {{"port": {port}, ')
    (folder / "webhook.json").write_text(text, encoding="utf-8")
    return [f"--admission-control-config-file={folder / 'admission.yaml'}"]


def configure(plane: ControlPlane, folder: Path) -> None:
    """Let the API server call the Service, which stands for this machine."""
    port = int((folder / "webhook-port").read_text(encoding="ascii"))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _SERVICE.name, "namespace": _SERVICE.namespace},
        "spec": {
            "type": "ExternalName",
            "externalName": "localhost",
            "ports": [{"port": port}],
        },
    }
    plane.run_kubectl("apply", "-f", "-", stdin=json.dumps(service))
    plane.run_kubectl("apply", "-f", str(folder / "webhook.json"))
