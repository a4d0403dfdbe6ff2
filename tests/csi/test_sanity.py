"""The conformance suite of the Container Storage Interface, against the whole program."""

import asyncio
import signal
from xml.etree import ElementTree as ET

import pytest

from hack.tool_build import required
from tests.csi.test_process import Daemon
from tests.support.csi import Node

pytestmark = pytest.mark.real

NEED_A_CONTROLLER = (
    # They create their volumes with CreateVolume; inline volumes have no controller.
    "should remove target path",
    "should fail when volume does not exist on the specified path",
)
ABOUT_US = "Identity Service|Node Service"


async def test_csi_sanity(node: Node) -> None:
    daemon, report = Daemon(node), node.folder / "sanity.xml"
    await daemon.start()
    target = node.kubelet_dir / "pods/sanity/volumes/kubernetes.io~csi/svid/mount"
    target.parent.mkdir(parents=True)
    running = await asyncio.create_subprocess_exec(
        required() / "csi-sanity",
        f"--csi.endpoint=unix://{node.folder}/plugin/csi.sock",
        f"--csi.mountdir={target}",
        f"--ginkgo.focus={ABOUT_US}",
        f"--ginkgo.skip={'|'.join(NEED_A_CONTROLLER)}",
        f"--ginkgo.junit-report={report}",
        "--ginkgo.no-color",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(150.0):
            output = (await running.communicate())[0].decode()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
        await daemon.end(signal.SIGTERM)
    assert running.returncode == 0, output
    cases = [case.attrib for case in ET.parse(report).iter("testcase")]
    passed = [case["name"] for case in cases if case["status"] == "passed"]
    assert sum("Identity Service" in name for name in passed) >= 3
    assert sum("Node Service" in name for name in passed) >= 10
