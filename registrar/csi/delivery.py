"""One volume: what the agent says of its Pod goes into its files, as long as it is there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography import x509

from registrar.backoff import Backoff
from registrar.csi.bundles import SharedBundles
from registrar.csi.credentials import Credentials, chosen, chosen_token, problem_of
from registrar.csi.folder import AtomicFolder
from registrar.csi.layout import certificate_file, files_of, stores_of
from registrar.csi.threads import in_thread
from registrar.csi.volume import Volume
from registrar.errors import InvalidField
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import trust_domain_of
from registrar.spire.delegated import (
    JWTSVID,
    X509SVID,
    DelegatedIdentity,
    DelegatedIdentityError,
    Problem,
    Update,
)
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

WAITING_FOR_ENTRY = "WaitingForEntry"
"""Reason of the Event on a Pod for which the agent has no SVID."""

_SWEEP_SECONDS = 1.0
"""How long what was shown before stays, for readers that have just opened its folder."""
_SHORTEST_TOKEN_WAIT_SECONDS = 1.0


class Mounts(Protocol):
    """What a delivery needs of the kernel; ``registrar.csi.mounts.LinuxMounts`` has it."""

    def is_mounted(self, target: Path) -> bool:
        """Whether anything is mounted there."""
        ...

    def ensure_tmpfs(self, target: Path) -> None:
        """Exactly one tmpfs there."""
        ...


class Delivery:
    """Follows the agent and writes, while ``run`` runs.

    ``is_mounted``: the volume is there already, and is never mounted again. ``rotated``
    hears of each change of the files, so many seconds after the agent's message.
    """

    def __init__(
        self,
        volume: Volume,
        *,
        agent: DelegatedIdentity,
        bundles: SharedBundles,
        mounts: Mounts,
        node_name: str,
        is_mounted: bool,
        rotated: Callable[[float], None],
    ) -> None:
        self._volume = volume
        self._wish = volume.wish
        self._selectors: tuple[Selector, ...] = volume.pod.selectors(node_name)
        self._agent = agent
        self._bundles = bundles
        self._mounts = mounts
        self._folder = AtomicFolder(volume.path, volume.rights(self._wish))
        self._is_mounted = is_mounted
        self._rotated = rotated
        self._dirty = asyncio.Event()
        self._tokens_due = asyncio.Event()
        self._heard_at: float | None = None
        self._svids: tuple[X509SVID, ...] = ()
        self._federates_with: frozenset[str] = frozenset()
        self._tokens: tuple[JWTSVID, ...] = ()
        self._trouble: Problem | None = None
        self._away_since: float | None = None
        self._missing = ""
        self._failure = ""
        self.ready = asyncio.Event()
        """Set once the files are there."""
        self.expires_at: float | None = None
        """When the first SVID in the files expires, Unix seconds; None before there is one."""

    @property
    def reason(self) -> str:
        """What it waits for, in a word for an Event."""
        return self._trouble.trouble.value if self._trouble else WAITING_FOR_ENTRY

    def why_waiting(self) -> str:
        """What it waits for, in words for a person."""
        if self._failure:
            return self._failure
        if self._trouble is not None:
            return self._trouble.message
        if not self._svids:
            selectors = ", ".join(map(str, self._selectors))
            return self._missing or (
                f"the agent has no SVID for a workload with the selectors {selectors}: no entry "
                "has only these, or the agent has not heard of it yet"
            )
        if self._wish.jwt is not None and not self._has_tokens():
            return "the agent has not given a JWT-SVID yet"
        return "the agent has not sent the trust bundle yet"

    def abnormal(self, away_seconds: float) -> str:
        """What is wrong with the volume; empty for nothing.

        An agent may be away for ``away_seconds`` without being missed.
        """
        if self.expires_at is None:
            return f"no SVID yet: {self.why_waiting()}"
        if self.expires_at <= time.time():
            return f"the SVID has expired: {self.why_stale()}"
        if self._failure:
            return self._failure
        away = 0.0 if self._away_since is None else time.time() - self._away_since
        if self._trouble is not None and away > away_seconds:
            return f"for {away:.0f} s: {self._trouble.message}"
        if self._wish.jwt is not None and any(t.expires_at <= time.time() for t in self._tokens):
            return "the JWT-SVID has expired: the agent gives no other"
        return self._missing

    def why_stale(self) -> str:
        """Why nothing newer has come."""
        if self._failure or self._missing:
            return self._failure or self._missing
        return "the agent has sent none since" if self._trouble is None else self._trouble.message

    async def take_up(self) -> None:
        """After a restart: what is in the volume counts until there is something newer."""
        found = await in_thread(self._found_expiry)
        if found is not None:
            self.expires_at = found
            self.ready.set()

    def _found_expiry(self) -> float | None:
        """When the first SVID in the files expires; None without any. Blocks."""
        name = certificate_file(self._wish)
        try:
            leaf = x509.load_pem_x509_certificate((self._volume.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return leaf.not_valid_after_utc.timestamp()

    async def run(self) -> None:
        """Deliver until cancelled."""
        wants_jwt = bool(self._wish.jwt_bundles)
        self._bundles.listen(self._change, jwt=wants_jwt)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    self._agent.follow_svids(self._selectors, self._take, self._take_problem)
                )
                tasks.create_task(self._write_changes())
                if self._wish.jwt is not None:
                    tasks.create_task(self._keep_tokens(self._wish.jwt.audiences))
        finally:
            self._bundles.forget(self._change)

    # What is heard.

    def _take(self, update: Update) -> None:
        if not update.svids:
            # Nothing at first may mean not yet; after an SVID it means that the entry has gone.
            # The files stay: what they hold is valid until it expires.
            self._missing = "the agent has no SVID for it any more" if self._svids else ""
            return
        found = chosen(update.svids, self._wish)
        if not found:
            known = ", ".join(f"{svid.spiffe_id} (hint {svid.hint!r})" for svid in update.svids)
            self._missing = f"none of the Pod's SVIDs is the one that is asked for: {known}"
            return
        broken = next(filter(None, map(problem_of, found)), "")
        if broken:
            self._missing = broken
            log.error("an SVID is not delivered", extra=self._kv(why=broken))
            return
        self._missing = ""
        is_other = [s.spiffe_id for s in found] != [s.spiffe_id for s in self._svids]
        self._svids, self._federates_with = found, update.federates_with
        if is_other:
            self._tokens_due.set()
        self._change()

    def _take_problem(self, problem: Problem | None) -> None:
        if problem is None:
            self._away_since = None
        elif self._trouble is None:
            self._away_since = time.time()
            log.warning("no news from the agent", extra=self._kv(why=problem.message))
        self._trouble = problem

    def _change(self) -> None:
        if self._heard_at is None:
            self._heard_at = asyncio.get_running_loop().time()
        self._dirty.set()

    # What is written.

    def _credentials(self) -> Credentials | None:
        """Everything that the volume is to hold; None while some of it is missing."""
        known = self._bundles.x509
        if not self._svids or known is None:
            return None
        own = trust_domain_of(self._svids[0].spiffe_id)
        domains = {own, *self._federates_with}
        if own not in known or (self._wish.jwt is not None and not self._has_tokens()):
            return None
        jwt = self._bundles.jwt
        if self._wish.jwt_bundles and (jwt is None or own not in jwt):
            return None
        return Credentials(
            svids=self._svids,
            bundles={name: known[name] for name in domains if name in known},
            tokens=self._tokens,
            jwt_bundles={name: jwt[name] for name in domains if name in jwt} if jwt else {},
        )

    async def _write_changes(self) -> None:
        backoff = Backoff(0.1, 10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            heard_at, self._heard_at = self._heard_at, None
            credentials = self._credentials()
            if credentials is None:
                continue
            try:
                is_new = await in_thread(self._write, credentials)
            except (OSError, InvalidField) as error:
                self._failure = f"the files cannot be written: {error}"
                log.warning("files cannot be written", extra=self._kv(why=str(error)))
                await asyncio.sleep(backoff.next_seconds())
                self._change()
                continue
            backoff.reset()
            self._failure = ""
            self.expires_at = credentials.expires_at
            self.ready.set()
            if is_new:
                now = asyncio.get_running_loop().time()
                self._rotated(now - (now if heard_at is None else heard_at))
                await self._sweep()

    def _write(self, credentials: Credentials) -> bool:
        """Make the files those of the credentials; tells whether they were others. Blocks."""
        if not self._is_mounted:
            self._mounts.ensure_tmpfs(self._volume.path)
            self._is_mounted = True
        elif not self._mounts.is_mounted(self._volume.path):
            # Never onto the disk below.
            raise FileNotFoundError(f"nothing is mounted at {self._volume.target} any more")
        files = files_of(credentials, self._wish)
        if self._folder.holds(files, but=stores_of(credentials, self._wish)):
            return False
        self._folder.write(files)
        return True

    async def _sweep(self) -> None:
        """Remove the version before, in a while or when the next one comes."""
        try:
            async with asyncio.timeout(_SWEEP_SECONDS):
                await self._dirty.wait()
        except TimeoutError:
            await in_thread(self._folder.sweep)

    # Tokens.

    async def _keep_tokens(self, audiences: tuple[str, ...]) -> None:
        """Fetch tokens, and new ones at half of their life or when the SVID is another's."""
        backoff = Backoff(0.5, 30.0)
        await self._tokens_due.wait()
        while True:
            self._tokens_due.clear()
            try:
                tokens = await self._agent.fetch_tokens(self._selectors, audiences)
            except DelegatedIdentityError as error:
                tokens = ()
                log.warning("no JWT-SVID", extra=self._kv(why=error.problem.message))
            if tokens:
                backoff.reset()
                self._tokens = tokens
                self._change()
                half = min(token.issued_at + token.expires_at for token in tokens) / 2
                seconds = max(_SHORTEST_TOKEN_WAIT_SECONDS, half - time.time())
            else:
                seconds = backoff.next_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._tokens_due.wait()

    def _has_tokens(self) -> bool:
        """Whether there is one for each SVID."""
        return all(chosen_token(self._tokens, svid) is not None for svid in self._svids)

    def _kv(self, why: str) -> dict[str, object]:
        pod = self._volume.pod
        return kv(pod=f"{pod.namespace}/{pod.name}", volume=self._volume.id, why=why)
