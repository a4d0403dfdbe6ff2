"""Says what this machine lacks for a real node, in words that say what to do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NO_ROOT = "a node needs root: its namespaces, mounts and containers are the kernel's matter"
_MOUNT = "mount -t overlay overlay -o lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work {0}"
_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork")


def lacks() -> str:
    """Return why no node can run here, empty if one can. Debian's packages are not looked at."""
    if sys.platform != "linux":
        return f"a node needs Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return NO_ROOT
    script = "ip link add node0 type veth peer name node0-end"
    failure = _fails([*_NAMESPACES, "sh", "-c", script])
    if failure:
        return f"this machine allows no namespaces with a network of their own: {failure}"
    with tempfile.TemporaryDirectory() as name:
        for part in ("lower", "upper", "work"):
            Path(name, part).mkdir()
        failure = _fails(["unshare", "--mount", "sh", "-c", _MOUNT.format(name)])
    if failure:
        return f"containerd needs overlayfs, which can't be mounted here: {failure}"
    if not any(Path("/sys/fs/cgroup").iterdir()):
        return "a node needs control groups, and none are mounted at /sys/fs/cgroup"
    return ""


def _fails(command: list[str]) -> str:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if finished.returncode == 0:
        return ""
    return finished.stderr.strip() or f"exit code {finished.returncode}"
