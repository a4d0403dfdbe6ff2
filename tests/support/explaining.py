"""Asks ``explain`` about objects of a Setup, and puts agents onto its SPIRE server."""

import io
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from api.proto.types_pb2 import SPIFFEID, Agent, Entry, Selector
from devcluster.spire.server import SpireServer
from manager.commands.explaintext import write
from manager.explain.explain import explained
from manager.explain.model import Explanation
from manager.explain.subjects import subject_of
from manager.output import Page
from manager.preview.rehearsal import rehearsed
from registrar.settings.model import Settings
from tests.support.setup import Setup

CLUSTER = "test"
PAGE = Path(__file__).parents[2] / "docs/howto/explain.md"


@dataclass
class Asking:
    """One configuration, and the questions that are asked under it."""

    setup: Setup
    changes: dict[str, object]

    async def __call__(
        self, subject: str, namespace: str = "default", **changes: object
    ) -> Explanation:
        """The answer to one question."""
        settings: Settings = replace(self.setup.settings, **{**self.changes, **changes})  # type: ignore[arg-type]
        is_manager = settings.controller_manager is not None
        async with rehearsed(settings) as preview:
            found = subject_of(subject, namespace, is_manager=is_manager)
            return await explained(preview, found, now=time.time())

    async def reason(
        self,
        subject: str,
        namespace: str = "default",
        *,
        is_shown: bool = False,
        **changes: object,
    ) -> str:
        """Why there is no identity: the sentence, checked to be one.

        ``is_shown``: all that is said stands in the documentation too.
        """
        found = await self(subject, namespace, **changes)
        assert not found.has_identity, found.verdict
        if is_shown:
            see_page(found)
        assert "gets nothing, because " in found.verdict
        return found.verdict.partition("because ")[2]


def agent_id(node_uid: str, cluster: str = CLUSTER) -> str:
    """The ID that an agent has by k8s_psat."""
    return f"spiffe://example.org/spire/agent/k8s_psat/{cluster}/{node_uid}"


def put_for_agents(spire: SpireServer, number: int) -> list[str]:
    """So many entries that give agents other IDs; gives their own IDs."""
    server = SPIFFEID(trust_domain="example.org", path="/spire/server")
    ids = [f"alias-{each}" for each in range(number)]
    for id_ in ids:
        spiffe_id = SPIFFEID(trust_domain="example.org", path=f"/{id_}")
        selectors = [Selector(type="k8s_psat", value=f"agent_node_name:{id_}")]
        spire.state.put(Entry(id=id_, spiffe_id=spiffe_id, parent_id=server, selectors=selectors))
    return ids


def attest(
    setup: Setup,
    node: str,
    node_uid: str,
    *,
    cluster: str = CLUSTER,
    seconds: float = 3600.0,
    is_banned: bool = False,
) -> str:
    """Have an agent of a node be attested, for so many seconds from now; gives its ID."""
    spiffe_id = agent_id(node_uid, cluster)
    selectors = (f"agent_node_name:{node}", f"agent_node_uid:{node_uid}", f"cluster:{cluster}")
    trust_domain, slash, path = spiffe_id.removeprefix("spiffe://").partition("/")
    setup.spire.state.agents[spiffe_id] = Agent(
        id=SPIFFEID(trust_domain=trust_domain, path=slash + path),
        attestation_type="k8s_psat",
        x509svid_expires_at=int(time.time() + seconds),
        selectors=[Selector(type="k8s_psat", value=value) for value in selectors],
        banned=is_banned,
    )
    return spiffe_id


_ALIKE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "6f0c2a51-…"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"), "2026-11-28T00:15:00Z"),
    (re.compile(r"test-[0-9a-f]{8}-(\S+\.)[a-z2-7]{26}"), r"test-1f0a7b3c-\1…"),
)
"""What is another in each run."""


def text_of(found: Explanation) -> str:
    """What a reader is told, with what is another in each run made alike; no Events, nor those."""
    stream = io.StringIO()
    write(replace(found, events=()), Page(stream))
    text = stream.getvalue()
    for pattern, like in _ALIKE:
        text = pattern.sub(like, text)
    return text


def see_page(found: Explanation) -> None:
    """See that the documentation shows just what is said."""
    text = text_of(found)

    assert text in PAGE.read_text(encoding="utf-8"), f"{PAGE} has not:\n{text}"
