"""``wait`` and ``topology certificate`` as processes, as containers run them."""

import asyncio
import sys
from pathlib import Path

import pytest

from devcluster.cluster import Cluster
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "default/bundle:bundle.pem"


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "manager", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """The exit code, and what was printed to standard output and standard error."""
    process = await start(*arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_what_comes_later_is_written_to_the_file(tmp_path: Path) -> None:
    file, message = tmp_path / "bundle.pem", tmp_path / "message"
    message.touch()
    async with Cluster.serve(tmp_path) as cluster:
        flags = (f"--kubeconfig={cluster.kubeconfig}", f"--termination-log={message}")
        process = await start("wait", f"--configmap={BUNDLE}", f"--write={file}", *flags)
        await until(lambda: "there is no such ConfigMap yet" in message.read_text())
        document = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bundle", "namespace": "default"},
            "data": {"bundle.pem": "text"},
        }
        await cluster.apply([document])  # type: ignore[list-item]
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert out.decode().splitlines()[-1] == "has bundle.pem in the ConfigMap default/bundle"
    assert (file.read_text(), message.read_text()) == ("text", "")


async def test_a_signal_ends_it_and_leaves_what_it_waited_for(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.touch()
    socket = tmp_path / "api.sock"
    process = await start("wait", f"--identity={socket}", f"--termination-log={message}")
    said = f"waits for an identity from the agent at {socket}: there is no such socket yet"
    await until(lambda: message.read_text() == said)
    process.terminate()
    await process.wait()
    assert process.returncode == 143
    assert message.read_text() == said


async def test_the_time_limit_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    code, out, err = await run("wait", f"--identity={tmp_path}/api.sock", "--timeout=200ms")
    assert (code, err) == (4, "")
    assert out.splitlines()[-1] == "gave up after 0.2 s"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wait"], "nothing to wait for"),
        (["wait", "--configmap=bundle"], "NAMESPACE/NAME:KEY"),
        (["wait", "--tcp=server"], "HOST:PORT"),
        (["wait", "--tcp=server:80", "--write=file"], "--write: name exactly one --configmap"),
        (["wait", "--tcp=server:80", "--timeout=soon"], "'soon'"),
        (["wait", "--tcp=server:80", "--timeout=-1s"], "or 0 for ever"),
        (["wait", f"--configmap={BUNDLE}", "--kubeconfig=/nowhere"], "kubeconfig"),
        (["topology", "certificate", "--secret=a/b", "--trust-domain=A"], "--trust-domain"),
        (["topology", "certificate", "--secret=a", "--trust-domain=a"], "NAMESPACE/NAME"),
        (["topology", "certificate", "--secret=a/b", "--trust-domain=a", "--ttl=1s"], "--ttl"),
        (["topology", "certificate", "--secret=a/b", "--trust-domain=a", "--ttl=9d"], "--ttl"),
    ],
)
async def test_a_mistake_in_a_flag_is_named(arguments: list[str], said: str) -> None:
    code, _, err = await run(*arguments)
    assert code == 2
    assert said in err


async def test_the_certificate_is_made_once(tmp_path: Path) -> None:
    async with Cluster.serve(tmp_path) as cluster:
        flags = ("--secret=default/ca", "--trust-domain=example.org")
        command = ("topology", "certificate", *flags, f"--kubeconfig={cluster.kubeconfig}")
        made = await run(*command)
        path = "/api/v1/namespaces/default/secrets/ca"
        before = await cluster.client.get(path)
        kept = await run(*command)
        after = await cluster.client.get(path)
    assert made == (0, "made the Secret default/ca\n", "")
    assert kept == (0, "the Secret default/ca is there, and stays as it is\n", "")
    assert before["data"] == after["data"]
