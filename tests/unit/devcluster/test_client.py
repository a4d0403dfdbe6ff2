"""The plain client of seeding and tests."""

import aiohttp
import pytest

from devcluster.client import Client, NotFound
from devcluster.kubeapi.server import KubeAPI

# The embedded server reads its schemas from a file when it starts.
pytestmark = pytest.mark.may_block


async def test_what_is_not_there_is_told_from_other_refusals() -> None:
    async with KubeAPI.serve() as api, aiohttp.ClientSession() as http:
        client = Client(http, api.url)
        with pytest.raises(NotFound, match="404"):
            await client.get("/api/v1/namespaces/nowhere")
        with pytest.raises(RuntimeError, match="default: 422") as refused:
            await client.merge("/api/v1/namespaces/default", {"metadata": {"labels": {"a": "?"}}})
        assert not isinstance(refused.value, NotFound)
