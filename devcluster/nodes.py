"""A pretend kubelet: one node, on which every Pod is scheduled and reported as running.

Nothing runs; the Pods look to the registrar as they would on a real node.
"""

import asyncio
import contextlib
from datetime import UTC, datetime

from api.codec import JSONObject
from devcluster.client import Client

NODE = "dev-node"


async def add_node(client: Client) -> None:
    """Register the node."""
    await client.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        }
    )


async def run_pods(client: Client) -> None:
    """Bind Pods that are nowhere yet and report them as running, until cancelled."""
    number = 0
    async for event in client.watch("/api/v1/pods"):
        pod = event["object"]
        if event["type"] not in {"ADDED", "MODIFIED"} or not isinstance(pod, dict):
            continue
        if await _stopped(client, pod):
            continue
        spec, status = pod.get("spec"), pod.get("status")
        if not isinstance(spec, dict) or (isinstance(status, dict) and status.get("podIP")):
            continue
        number += 1
        await _start(client, pod, f"10.244.{number // 250 % 250}.{number % 250 + 1}")
        # Other Pods' events first: a burst must not starve the loop.
        await asyncio.sleep(0)


async def _stopped(client: Client, pod: JSONObject) -> bool:
    """Confirm the end of a Pod that is being deleted, as a kubelet does; False for others."""
    metadata = pod["metadata"]
    if not isinstance(metadata, dict) or "deletionTimestamp" not in metadata:
        return False
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    with contextlib.suppress(RuntimeError):  # gone already
        await client.delete(f"{path}?gracePeriodSeconds=0")
    return True


async def _start(client: Client, pod: JSONObject, address: str) -> None:
    metadata, spec = pod["metadata"], pod["spec"]
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    try:
        if not spec.get("nodeName"):
            await client.create(
                f"{path}/binding",
                {
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": metadata["name"]},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
                },
            )
        await client.merge(f"{path}/status", {"status": _running(address)})
    except RuntimeError:
        # Deleted meanwhile, most likely; if not, its next event brings it back.
        return


def _running(address: str) -> JSONObject:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "phase": "Running",
        "podIP": address,
        "hostIP": "10.0.0.1",
        "startTime": now,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
    }
