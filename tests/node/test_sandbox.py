"""The node's namespaces: nothing of them reaches the machine, and nothing outlives them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.node import forward
from hack.node.init import ADDRESS
from hack.node.sandbox import Sandbox
from hack.processes import ServerError
from tests.support.node import wait_for

pytestmark = pytest.mark.real("node")

STARTER = """
import sys
from pathlib import Path
from hack.node.sandbox import Sandbox
sandbox = Sandbox(Path(sys.argv[1]))
sandbox.start(outlive_us=False)
print(sandbox.start_server("sleeper", "sleep", "1000"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    sandbox.start(outlive_us=False)
    yield sandbox
    sandbox.stop()


def processes_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command:
            found.append(command.decode())
    return found


def test_all_of_it_goes_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline().strip().isdigit()
        sandbox = Sandbox(tmp_path)
        assert sandbox.pid is not None
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    wait_for("the end of all its processes", lambda: sandbox.pid is None)
    assert processes_of(tmp_path) == []
    sandbox.remove_cgroups()


def test_nothing_is_left_of_a_start_that_is_interrupted(tmp_path: Path) -> None:
    """What it started has a session of its own: Ctrl-C reaches only the one who waits for it."""
    commands, folder = tmp_path / "commands", tmp_path / "node"
    commands.mkdir()
    folder.mkdir()
    endless = commands / "unshare"
    endless.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    endless.chmod(0o755)
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
    # Without a deadly signal at the death of its starter, as `make cluster` has it.
    script = STARTER.replace("outlive_us=False", "outlive_us=True")
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as starter:
        wait_for("both processes", lambda: len(processes_of(folder)) == 2)
        starter.send_signal(signal.SIGINT)
        starter.wait()
    assert processes_of(folder) == []
    assert list(Path("/sys/fs/cgroup").glob(f"*/{Sandbox(folder).cgroup}")) == []


def test_mounts_and_network_are_its_own(sandbox: Sandbox) -> None:
    sandbox.run("mount", "-t", "tmpfs", "only-here", "/var/lib/kubelet")
    assert "only-here" in sandbox.run("cat", "/proc/self/mountinfo")
    assert "only-here" not in Path("/proc/self/mountinfo").read_text()
    interfaces = sandbox.run("ip", "-brief", "address").split()
    assert f"{ADDRESS}/24" in interfaces
    assert not any(name.startswith(("eth", "en")) for name in interfaces)
    # The way to anybody else ends at the other end of a pair that stays here.
    assert sandbox.run("ip", "-oneline", "route", "get", "192.0.2.1").split()[1:3] == [
        "dev",
        "node0",
    ]


def test_servers_are_started_asked_and_ended(sandbox: Sandbox) -> None:
    sandbox.start_server("a", "sh", "-c", "echo said; exec sleep 1000")
    wait_for("its first words", lambda: sandbox.tail("a") == "said")
    assert sandbox.exit_codes() == {"a": None}
    with pytest.raises(ServerError, match="a runs already"):
        sandbox.start_server("a", "true")
    sandbox.stop_server("a")
    assert sandbox.exit_codes() == {"a": -signal.SIGTERM}
    with pytest.raises(ServerError, match="no-such-program"):
        sandbox.start_server("b", "no-such-program")


def test_a_server_that_does_not_hear_is_killed(sandbox: Sandbox) -> None:
    sandbox.start_server("deaf", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    wait_for("its trap", lambda: sandbox.tail("deaf") == "ready")
    sandbox.stop_server("deaf", seconds=1)
    assert sandbox.exit_codes() == {"deaf": -signal.SIGKILL}


def test_a_loss_of_power_spares_only_the_named_servers(sandbox: Sandbox) -> None:
    sandbox.start_server("kept", "sleep", "1000")
    # Somebody whom nobody named, with a session of its own.
    sandbox.start_server("lost", "sh", "-c", "setsid sleep 2000 & exec sleep 3000")
    sandbox.kill_others(["kept"])
    assert sandbox.exit_codes() == {"kept": None, "lost": -signal.SIGKILL}
    left = sandbox.run("ps", "-e", "-o", "args=")
    assert "sleep 1000" in left
    assert "sleep 2000" not in left


def test_why_a_server_is_not_ready_is_said(sandbox: Sandbox) -> None:
    sandbox.start_server("broken", "sh", "-c", "echo no such key; exit 3")
    with pytest.raises(ServerError, match="broken ended with exit code 3:\nno such key"):
        sandbox.wait_until("broken", lambda: False, 30)


def test_a_folder_has_one_node_at_a_time(sandbox: Sandbox) -> None:
    with pytest.raises(ServerError, match="a node runs already"):
        Sandbox(sandbox.folder).start(outlive_us=False)


def test_the_way_in_needs_nothing_installed() -> None:
    command = [sys.executable, "-I", "-S", str(forward.__file__)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "IndexError" in finished.stderr  # its arguments are missing, no module is
