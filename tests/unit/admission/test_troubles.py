"""A SPIRE server that is away for long is one line of the log, and its return another."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from registrar.admission import cabundle
from registrar.admission.cabundle import TrustKeeper
from registrar.admission.certificates import ServingCertificate
from registrar.kube.session import connect
from registrar.spire.errors import Unavailable
from tests.support.scripted_api import json_reply, scripted_api
from tests.support.waiting import until

MANY = 4


class Away:
    """A minter whose SPIRE server is away, until it is told otherwise."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_back = False

    async def mint(self, csr_der: bytes, ttl_seconds: int) -> list[bytes]:
        assert csr_der
        assert ttl_seconds
        return await self.bundle()

    async def bundle(self) -> list[bytes]:
        self.calls += 1
        if self.is_back:
            return []
        raise Unavailable("nobody answers")


async def names() -> Sequence[str]:
    return ["localhost"]


async def test_of_a_certificate_that_cannot_be_renewed_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    minter = Away()
    certificate = ServingCertificate(minter, spiffe_id="spiffe://example.org/w", dns_names=names)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(certificate.run())
        await until(lambda: minter.calls == MANY)
        running.cancel()
    assert [record.message for record in caplog.records] == [
        "cannot renew the webhook's certificate"
    ]


async def test_of_a_bundle_that_cannot_be_read_are_said_the_beginning_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cabundle, "LOOK_SECONDS", 0.01)
    caplog.set_level(logging.INFO, logger=cabundle.__name__)

    async def answer(_: web.Request) -> web.StreamResponse:
        return json_reply({"metadata": {"name": "ours"}, "webhooks": []})

    minter = Away()
    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(TrustKeeper(session, minter, name="ours").run())
        await until(lambda: minter.calls == MANY)
        minter.is_back = True
        await until(lambda: minter.calls == 2 * MANY)
        running.cancel()
    said = [record.message for record in caplog.records if record.name == cabundle.__name__]
    assert said == [
        "the ValidatingWebhookConfiguration cannot be kept right",
        "the ValidatingWebhookConfiguration is right again",
    ]
