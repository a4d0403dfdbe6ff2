"""A new token each second, taken by the other trust domain, while the keys of all servers rotate.

Beside that it asks all servers for tokens now and then, to see their rotations. Of each new key of
the giver it says how long it took to be known at the taker.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from topology.checks.check import Untrue, Verdict
from topology.checks.pairs import AUDIENCE, Place
from topology.checks.token import read_token
from topology.workloadapi import Unanswered

GIVER, TAKER = "nested-b", "auxiliary"
WANTED_ROTATIONS = 3
_PERIOD_SECONDS = 1.0
_LOOK_SECONDS = 10.0
_MOST_WORDS = 5


@dataclass
class _Keys:
    """The keys that a server has signed with, as they were first seen."""

    seen: list[str] = field(default_factory=list)

    def take(self, key_id: str) -> bool:
        """Note a key; tells whether it is new."""
        if key_id in self.seen:
            return False
        self.seen.append(key_id)
        return True

    @property
    def rotations(self) -> int:
        return max(0, len(self.seen) - 1)


class Soak:
    """The agents of all servers, two of which are the giver and the taker.

    ``above`` sign the CAs of others, and rotate too seldom to wait for.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        say: Callable[[str], None],
        above: Collection[str] = (),
        period_seconds: float = _PERIOD_SECONDS,
    ) -> None:
        self._places = {place.server: place for place in places}
        self._say = say
        self._period = period_seconds
        self._above = above
        self._keys = {place.server: _Keys() for place in places}
        self._waiting: dict[str, float] = {}
        self._failures: list[str] = []
        self._tokens = 0
        self._seconds = 0.0

    async def run(self, seconds: float) -> None:
        """Go on for so long."""
        self._seconds = seconds
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look_for_rotations())
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                begun = time.monotonic()
                await self._one_token()
                await asyncio.sleep(max(0.0, self._period - (time.monotonic() - begun)))
            looking.cancel()

    def verdicts(self) -> list[Verdict]:
        """What came of it."""
        few = [
            f"{server} {keys.rotations}"
            for server, keys in self._keys.items()
            if keys.rotations < WANTED_ROTATIONS and server not in self._above
        ]
        failed = f"{len(self._failures)}, such as {'; '.join(self._failures[:_MOST_WORDS])}"
        return [
            Verdict(
                f"{self._tokens} tokens of {GIVER} were taken at {TAKER}, and none was refused",
                failed if self._failures or not self._tokens else "",
                self._seconds,
            ),
            Verdict(
                f"the key of each server that signs no CA rotated {WANTED_ROTATIONS} times or more",
                f"rotations: {', '.join(few)}" if few else "",
                self._seconds,
            ),
        ]

    async def _one_token(self) -> None:
        giver, taker = self._places[GIVER], self._places[TAKER]
        # Agents keep tokens: for a new audience the server must sign anew.
        audience = f"{AUDIENCE}-{secrets.token_hex(4)}"
        key_id = ""
        try:
            text = await giver.agent.token(audience)
            key_id = read_token(text).key_id
            if self._keys[GIVER].take(key_id):
                self._waiting[key_id] = time.monotonic()
            await taker.agent.validate(text, audience)
        except (Unanswered, Untrue) as error:
            at = time.strftime("%H:%M:%S", time.gmtime())
            self._failures.append(f"{at} key {key_id or 'none'}: {error}")
            return
        self._tokens += 1
        signed = self._waiting.pop(key_id, None)
        if signed is not None:
            took = time.monotonic() - signed
            self._say(f"key {key_id} of {GIVER} is good at {TAKER} after {took:.1f} s")

    async def _look_for_rotations(self) -> None:
        while True:
            for server, place in self._places.items():
                try:
                    text = await place.agent.token(f"{AUDIENCE}-{secrets.token_hex(4)}")
                except Unanswered:
                    continue
                if server != GIVER:
                    self._keys[server].take(read_token(text).key_id)
            await asyncio.sleep(_LOOK_SECONDS)
