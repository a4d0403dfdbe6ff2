"""Pods that the API server asks about, in a walk: the webhook mode."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from api.codec import JSONObject
from manager.process import Process
from tests.support.podwebhook import ask, review
from tests.support.walk.actor import Action
from tests.support.walk.pods import LABEL, LabelledPods
from tests.support.walk.replicas import Replicas


@dataclass
class AskedPods(LabelledPods):
    """Pods of which one of the registrars hears before they are stored, and as they go.

    ``is_blind``: the registrars may not read Pods, so what they hear is all that they know.
    """

    replicas: Replicas = field(kw_only=True)
    folder: Path = field(kw_only=True)
    is_blind: bool = field(kw_only=True)
    number: int = 0

    @property
    def is_only_said(self) -> bool:  # type: ignore[override]
        """Whether no Pod can be read."""
        return self.is_blind

    def actions(self) -> list[Action]:
        """What happens to Pods."""
        if not self.is_blind:
            return super().actions()
        if not self._listening():
            return []  # nobody hears of it, and nobody can
        # An edit is told to one registrar; the others go on by what they heard before.
        alone = [self.relabel, self.break_label] if len(self.replicas.running) == 1 else []
        return [self.create, self.create, self.delete, *alone]

    async def create(self) -> None:
        """A Pod comes; where they are only said, with a name that none had before."""
        if not self.is_blind:
            await super().create()
            return
        if len(self.mine) < 5:
            self.number += 1
            name = f"pod{self.number}"
            label = self._some_label(name)
            self.model.asks(name, f"/{label}")
            self.mine.add(name)
            await self.make(name, label)

    async def make(self, name: str, label: str) -> None:
        """Ask, then store."""
        await self._ask("CREATE", name, label)
        if not self.is_blind:
            await super().make(name, label)

    async def label(self, name: str, label: str) -> None:
        """Store another label; where nobody may read it, ask about the edit."""
        if self.is_blind:
            await self._ask("UPDATE", name, label)
        else:
            await super().label(name, label)

    async def remove(self, name: str) -> None:
        """Ask, then delete."""
        await self._ask("DELETE", name, "")
        if not self.is_blind:
            await super().remove(name)

    async def _ask(self, operation: str, name: str, label: str) -> None:
        """Ask any registrar that listens; where Pods are stored, a missed question is no harm."""
        listening = self._listening()
        if not listening:
            return
        labels: JSONObject = {"labels": {LABEL: label}}
        # Whose uid is not said is whoever is stored under that name.
        question = review(operation, name, uid="", metadata=labels)
        asked = self.model.random.choice(listening)
        missed = (
            contextlib.nullcontext()
            if self.is_blind
            else contextlib.suppress(OSError, aiohttp.ClientError)
        )
        with missed:
            await ask(asked, self.folder, question)

    def _listening(self) -> list[Process]:
        processes = [replica.process for replica in self.replicas.running]
        return [p for p in processes if p.webhooks is not None and p.webhooks.port]
