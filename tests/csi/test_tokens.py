"""Several tokens in one volume: each in a file of its own, renewed for itself."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.spire.jwtauthority import JWTSVID, JWTAuthority
from tests.support.csi import Node
from tests.support.setup import eventually, until

TWO = "db.token: db, db-replica\ntokens/cache: cache\n"


class Faulty(JWTAuthority):
    """Signs as an authority does, but for what a test makes wrong.

    ``without`` are audiences for which the agent gets no token, ``wrong`` texts in the place of
    tokens, by audience or SPIFFE ID.
    """

    def __init__(self) -> None:
        super().__init__("jwt-1")
        self.without: set[str] = set()
        self.wrong: dict[str, str] = {}
        self.asked: list[str] = []

    def sign(self, spiffe_id: str, audiences: Sequence[str], *, ttl_seconds: int) -> JWTSVID:
        self.asked.append(audiences[0])
        if self.without.intersection(audiences):
            raise PermissionError("no token for this audience")
        # The times of Unix are whole seconds: another number makes another token.
        made = super().sign(spiffe_id, audiences, ttl_seconds=ttl_seconds + len(self.asked))
        for name in (*audiences, spiffe_id):
            if name in self.wrong:
                return replace(made, token=self.wrong[name])
        return made


@pytest.fixture
def authority(node: Node) -> Faulty:
    node.agent.jwt_authority = faulty = Faulty()
    return faulty


def claims(path: Path) -> dict[str, object]:
    text = path.read_text().split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


async def test_each_file_has_a_token_for_its_own_audiences(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtTokens=TWO, jwtAudiences="web", mount_group="4000")
        assert claims(path / "db.token")["aud"] == ["db", "db-replica"]
        assert claims(path / "tokens/cache")["aud"] == ["cache"]
        assert claims(path / "jwt_svid.token")["aud"] == ["web"]
        assert (path / "tokens/cache").stat().st_mode & 0o777 == 0o440
        assert await driver.condition(pod) == (False, "the files are up to date")
        before = {file: file.read_bytes() for file in (path / "db.token", path / "tokens/cache")}
    # A restart takes up what is there, and asks for every file again.
    async with node.driver() as driver:
        await until(lambda: all(file.read_bytes() != old for file, old in before.items()))
        assert claims(path / "tokens/cache")["aud"] == ["cache"]


async def test_every_svid_has_all_tokens_in_its_folder(node: Node) -> None:
    pod = node.pod()
    node.entry(pod, "/one")
    node.entry(pod, "/two")
    async with node.driver() as driver:
        path = await driver.publish(pod, svids="all", jwtTokens=TWO)
        subjects = {claims(path / number / "db.token")["sub"] for number in "01"}
        assert subjects == {"spiffe://example.org/one", "spiffe://example.org/two"}
        assert (path / "0/tokens/cache").exists()
        assert (path / "1/tokens/cache").exists()


async def test_a_token_that_cannot_be_had_costs_only_itself(node: Node, authority: Faulty) -> None:
    pod = node.pod()
    node.entry(pod)
    node.agent.jwt_ttl_seconds = 2
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtTokens=TWO)
        authority.without.add("cache")
        asked = len(authority.asked)
        await until(lambda: "cache" in authority.asked[asked:])
        old = {name: (path / name).read_bytes() for name in ("db.token", "tokens/cache")}
        await until(lambda: (path / "db.token").read_bytes() != old["db.token"])
        assert (path / "tokens/cache").read_bytes() == old["tokens/cache"]

        async def is_said() -> bool:
            abnormal, why = await driver.condition(pod)
            return abnormal and "the JWT-SVID is not renewed: tokens/cache: " in why

        await eventually(is_said)
        svid = (path / "svid.pem").read_bytes()
        node.agent.rotate()
        await until(lambda: (path / "svid.pem").read_bytes() != svid)
        authority.without.clear()
        await until(lambda: (path / "tokens/cache").read_bytes() != old["tokens/cache"])

        async def is_well() -> bool:
            return not (await driver.condition(pod))[0]

        await eventually(is_well)


async def test_a_pod_waits_for_all_tokens_that_it_asks_for_and_is_told_which_one(
    node: Node, authority: Faulty
) -> None:
    pod = node.pod()
    node.entry(pod)
    authority.without.add("cache")
    async with node.driver(first_svid=1.0) as driver:
        _, message = await driver.refused_saying(pod.request(jwtTokens=TWO), "tokens/cache: ")
        assert message.startswith("tokens/cache: ")
        authority.without.clear()
        assert (await driver.publish(pod, jwtTokens=TWO) / "tokens/cache").exists()


def another() -> str:
    return JWTAuthority("x").sign("spiffe://example.org/another", ["cache"], ttl_seconds=60).token


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "is empty"),
        ("garbage", "cannot be read"),
        ("a.b.c", "cannot be read"),
        ("a." + base64.urlsafe_b64encode(b"[" * 100_000).decode() + ".c", "cannot be read"),
        (another(), "is for spiffe://example.org/another"),
    ],
)
async def test_a_token_that_nobody_can_use_costs_only_itself(
    node: Node, authority: Faulty, token: str, words: str
) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod, jwtTokens=TWO)
        old, before = (path / "tokens/cache").read_bytes(), (path / "db.token").read_bytes()
    authority.wrong["cache"] = token
    async with node.driver() as driver:
        await until(lambda: (path / "db.token").read_bytes() != before)

        async def is_said() -> bool:
            abnormal, why = await driver.condition(pod)
            return abnormal and "tokens/cache: the JWT-SVID " in why and words in why

        await eventually(is_said)
        assert (path / "tokens/cache").read_bytes() == old
        authority.wrong.clear()
        await until(lambda: (path / "tokens/cache").read_bytes() != old)


async def test_a_broken_token_of_one_svid_leaves_those_of_the_others(
    node: Node, authority: Faulty
) -> None:
    """All come in one answer of the agent."""
    pod = node.pod()
    node.entry(pod, "/broken")
    node.entry(pod, "/good")
    node.agent.jwt_ttl_seconds = 2
    async with node.driver() as driver:
        path = await driver.publish(pod, svids="all", jwtAudiences="db")
        broken, good = sorted(
            (path / number / "jwt_svid.token" for number in "01"),
            key=lambda file: str(claims(file)["sub"]),
        )
        authority.wrong["spiffe://example.org/broken"] = another()
        asked = len(authority.asked)
        await until(lambda: len(authority.asked) > asked + 1)
        old = {file: file.read_bytes() for file in (broken, good)}
        await until(lambda: good.read_bytes() != old[good])
        assert broken.read_bytes() == old[broken]
        assert "is for spiffe://example.org/another" in (await driver.condition(pod))[1]


async def test_a_broken_token_of_one_of_several_svids_does_not_hold_up_a_pod(
    node: Node, authority: Faulty
) -> None:
    pod = node.pod()
    node.entry(pod, "/broken")
    node.entry(pod, "/good")
    authority.wrong["spiffe://example.org/broken"] = ""
    async with node.driver() as driver:
        path = await driver.publish(pod, svids="all", jwtAudiences="db")
        (found,) = path.glob("[01]/jwt_svid.token")
        assert claims(found)["sub"] == "spiffe://example.org/good"
        assert "of spiffe://example.org/broken is empty" in (await driver.condition(pod))[1]
        authority.wrong.clear()
        await until(lambda: len(list(path.glob("[01]/jwt_svid.token"))) == 2)


async def test_a_broken_token_that_a_volume_does_not_need_is_nothing_to_it(
    node: Node, authority: Faulty
) -> None:
    pod = node.pod()
    node.entry(pod, "/broken")
    node.entry(pod, "/good")
    authority.wrong["spiffe://example.org/broken"] = ""
    async with node.driver() as driver:
        asked = {"spiffeID": "spiffe://example.org/good", "jwtTokens": TWO}
        path = await driver.publish(pod, **asked)
        assert claims(path / "db.token")["sub"] == "spiffe://example.org/good"
        assert await driver.condition(pod) == (False, "the files are up to date")
