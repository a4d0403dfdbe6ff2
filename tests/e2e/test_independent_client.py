"""The official synchronous client sees and does what ours does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import kubernetes
import pytest
import pytest_asyncio

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY, Kind
from api.meta import KubeObject
from tests.support.setup import (
    Setup,
    cluster_spiffe_id,
    embedded_setup,
    eventually,
    real_setup,
    until,
)

pytestmark = [pytest.mark.slow, pytest.mark.may_block]


@pytest_asyncio.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
async def setup(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Setup]:
    """The servers, embedded or real."""
    if request.param == "embedded":
        async with embedded_setup(tmp_path) as made:
            yield made
    else:
        plane = request.getfixturevalue("real_control_plane")
        async with real_setup(tmp_path, plane) as made:
            yield made


class Official:
    """The official client's calls, off the event loop."""

    def __init__(self, kubeconfig: Path) -> None:
        client = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            str(kubeconfig)
        )
        self._custom = kubernetes.client.CustomObjectsApi(client)
        self._core = kubernetes.client.CoreV1Api(client)

    async def create(self, document: JSONObject) -> None:
        kind = CLUSTER_SPIFFE_ID
        await asyncio.to_thread(
            self._custom.create_cluster_custom_object,
            kind.group,
            kind.version,
            kind.plural,
            document,
        )

    async def items(self, kind: Kind[KubeObject]) -> list[JSONObject]:
        listed = await asyncio.to_thread(
            self._custom.list_cluster_custom_object, kind.group, kind.version, kind.plural
        )
        return cast("dict[str, list[JSONObject]]", listed)["items"]

    async def delete(self, name: str) -> None:
        kind = CLUSTER_SPIFFE_ID
        await asyncio.to_thread(
            self._custom.delete_cluster_custom_object, kind.group, kind.version, kind.plural, name
        )

    async def event_reasons(self, name: str) -> set[str]:
        events = await asyncio.to_thread(
            self._core.list_event_for_all_namespaces, field_selector=f"involvedObject.name={name}"
        )
        return {event.reason or "" for event in events.items}


async def test_it_creates_reads_and_deletes_what_we_serve(setup: Setup) -> None:
    assert setup.settings.kubeconfig is not None
    official = Official(setup.settings.kubeconfig)
    async with setup.registrar():
        await official.create(cluster_spiffe_id("web"))
        obj = await setup.until_ready("web")

        async def is_recorded() -> bool:
            statuses = [item["status"] for item in await official.items(SPIRE_ENTRY)]
            ids = [status["entryId"] for status in statuses if isinstance(status, dict)]
            return obj.status.entry_id in ids

        await eventually(is_recorded)

        async def is_reported() -> bool:
            return "EntrySet" in await official.event_reasons("web")

        await eventually(is_reported)
        await official.delete("web")
        await until(lambda: not setup.entries("/web"))
