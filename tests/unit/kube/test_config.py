"""The configuration: what is missing is named, what is renewed is taken up."""

import json
import sys
from pathlib import Path

import pytest
from aiohttp import web

from api.kinds import NAMESPACE
from api.meta import ObjectKey
from registrar.errors import InvalidField
from registrar.kube.client import KubeClient
from registrar.kube.errors import Unauthorized
from registrar.kube.session import connect
from tests.support.scripted_api import (
    ScriptedAPI,
    a_namespace_document,
    json_reply,
    scripted_api,
    status_reply,
)

KEY = ObjectKey("", "a")


class Guard:
    """Lets one token in."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.seen: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        self.seen.append(given)
        if given != f"Bearer {self.token}":
            return status_reply(401, "Unauthorized")
        return json_reply(a_namespace_document("a"))


def an_exec_user(api: ScriptedAPI, tmp_path: Path, token_file: Path) -> Path:
    script = tmp_path / "plugin.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "token = pathlib.Path(sys.argv[1]).read_text()\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': {'token': token,"
        " 'expirationTimestamp': '2100-01-01T00:00:00Z'}}))\n"
    )
    return api.kubeconfig(
        tmp_path,
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": sys.executable,
                "args": [str(script), str(token_file)],
            }
        },
    )


async def test_outside_of_a_pod_the_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidField, match="KUBERNETES_SERVICE_HOST"):
        async with connect(None, user_agent="test"):
            pass


async def test_a_pod_without_a_service_account_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(InvalidField, match="automountServiceAccountToken"):
        async with connect(None, user_agent="test"):
            pass


async def test_of_several_kubeconfigs_the_broken_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good").write_text("current-context: x")
    (tmp_path / "bad").write_text("a: [")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'good'}:{tmp_path / 'bad'}")
    with pytest.raises(InvalidField, match="/bad: line 2"):
        async with connect(None, user_agent="test"):
            pass


async def test_a_folder_in_the_place_of_a_kubeconfig_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="a folder"):
        async with connect(tmp_path, user_agent="test"):
            pass


async def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="no such file"):
        async with connect(tmp_path / "nowhere", user_agent="test"):
            pass


@pytest.mark.parametrize("text", ["", "[]", "a: b", "{", "current-context: x"])
async def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(InvalidField, match="kubeconfig"):
        async with connect(path, user_agent="test"):
            pass


async def test_a_token_file_may_end_in_a_newline_and_may_change(tmp_path: Path) -> None:
    guard, token = Guard("one"), tmp_path / "token"
    token.write_text("one\n")
    async with scripted_api(guard) as api:
        kubeconfig = api.kubeconfig(tmp_path, {"tokenFile": str(token)})
        async with connect(kubeconfig, user_agent="test") as session:
            client = KubeClient(session)
            await client.get(NAMESPACE, KEY)
            guard.token = "two"
            token.write_text("two\n")
            await client.get(NAMESPACE, KEY)
    assert guard.seen == ["Bearer one", "Bearer one", "Bearer two"]


@pytest.mark.may_block  # a loop of its own, in a thread, starts the plugin
async def test_an_exec_plugin_is_asked_again_when_its_token_is_refused(tmp_path: Path) -> None:
    guard, token = Guard("one"), tmp_path / "token"
    token.write_text("one")
    async with (
        scripted_api(guard) as api,
        connect(an_exec_user(api, tmp_path, token), user_agent="test") as session,
    ):
        client = KubeClient(session)
        await client.get(NAMESPACE, KEY)
        guard.token = "two"
        token.write_text("two")
        await client.get(NAMESPACE, KEY)
    assert guard.seen == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_refused_login_that_cannot_be_renewed_is_an_error(tmp_path: Path) -> None:
    guard = Guard("another")
    async with (
        scripted_api(guard) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(Unauthorized):
            await KubeClient(session).get(NAMESPACE, KEY)
    assert guard.seen == ["Bearer secret"]


async def test_a_login_that_cannot_be_read_again_stays_in_use(tmp_path: Path) -> None:
    guard = Guard("secret")
    async with scripted_api(guard) as api:
        kubeconfig = api.kubeconfig(tmp_path)
        async with connect(kubeconfig, user_agent="test") as session:
            client = KubeClient(session)
            kubeconfig.unlink()
            guard.token = "other"
            with pytest.raises(Unauthorized):
                await client.get(NAMESPACE, KEY)
            guard.token = "secret"
            await client.get(NAMESPACE, KEY)


class Names:
    """Answers everybody, and remembers who asked by which token."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return json_reply(a_namespace_document("a"))


def a_kubeconfig(path: Path, url: str, current: str = "", **tokens: str) -> Path:
    """A kubeconfig with a context and a user for each token, and one cluster named ``c``."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": name, "user": {"token": token}} for name, token in tokens.items()],
        "contexts": [{"name": n, "context": {"cluster": "c", "user": n}} for n in tokens],
        **({"current-context": current} if current else {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without a kubeconfig, outside of a Pod."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def asked_as(kubeconfig: Path | None, names: Names, context: str = "") -> str:
    """The token that a session logs in with."""
    async with connect(kubeconfig, context=context, user_agent="test") as session:
        await KubeClient(session).get(NAMESPACE, KEY)
    return names.seen[-1]


async def test_a_kubeconfig_is_found_as_kubectl_finds_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    async with scripted_api(names) as api:
        url = str(api.url)
        a_kubeconfig(home / ".kube/config", url, "u", u="home")
        assert await asked_as(None, names) == "home"
        listed = a_kubeconfig(tmp_path / "listed", url, "v", v="environment")
        monkeypatch.setenv("KUBECONFIG", str(listed))
        assert await asked_as(None, names) == "environment"
        named = a_kubeconfig(tmp_path / "a:b", url, "w", w="flag")
        assert await asked_as(named, names) == "flag"


async def test_the_files_of_kubeconfig_are_merged_and_the_first_counts(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    async with scripted_api(names) as api:
        url = str(api.url)
        first = a_kubeconfig(tmp_path / "1", url, a="one")
        second = a_kubeconfig(tmp_path / "2", "http://127.0.0.1:1", "b", a="no", b="two")
        third = a_kubeconfig(tmp_path / "3", "http://127.0.0.1:1", "a", c="three")
        monkeypatch.setenv("KUBECONFIG", f"{first}:{home / 'none'}::{second}:{third}")
        assert await asked_as(None, names) == "two"
        assert await asked_as(None, names, "a") == "one"
        assert await asked_as(None, names, "c") == "three"
        with pytest.raises(InvalidField, match="no context 'd', but: a, b, c"):
            await asked_as(None, names, "d")


async def test_where_no_kubeconfig_can_be_used_the_remedy_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    with pytest.raises(InvalidField, match=r"--kubeconfig, set KUBECONFIG, or have ~/\.kube"):
        await asked_as(None, names)
    with pytest.raises(InvalidField, match="give --kubeconfig too"):
        await asked_as(None, names, "x")
    monkeypatch.setenv("KUBECONFIG", f"{home / 'a'}:{home / 'b'}")
    with pytest.raises(InvalidField, match=r"KUBECONFIG.*no such file"):
        await asked_as(None, names)
    monkeypatch.delenv("KUBECONFIG")
    path = a_kubeconfig(tmp_path / "1", "http://127.0.0.1:1", a="one")
    with pytest.raises(InvalidField, match="no current-context: choose one by --context: a"):
        await asked_as(path, names)
