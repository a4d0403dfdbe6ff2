"""The configuration: what is missing is named, what is renewed is taken up."""

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
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidField, match="KUBERNETES_SERVICE_HOST"):
        async with connect(None, user_agent="test"):
            pass


async def test_a_pod_without_a_service_account_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(InvalidField, match="automountServiceAccountToken"):
        async with connect(None, user_agent="test"):
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
