"""What ``migrate`` says: for a reader line by line as it goes, for a program as one document."""

import sys
from collections.abc import Sequence
from pathlib import Path

from api.codec import JSONObject
from manager.commands.plandocument import document_of
from manager.commands.planpage import show
from manager.migrate.steps import Outcome, Step
from manager.migrate.survey import Survey
from manager.migrate.watch import Report
from manager.output import Page, as_document, counted
from manager.preview.model import Outlook
from registrar.errors import printable

_SHOWN = 10


class Pages:
    """``output`` is the flag's. Steps are said at once; a document comes at the end."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._page = Page.of(None if output == "table" else sys.stderr)
        self._document: JSONObject = {}
        self._outcomes: list[Outcome] = []

    def found(self, survey: Survey, folder: Path, files: Sequence[str]) -> None:
        """What runs, and what was written."""
        installation, config = survey.installation, survey.config
        place = installation.place
        image = str(installation.container.get("image"))
        settings = survey.settings
        lacking = [str(need.right) for need in survey.lacking()]
        self._document |= {
            "peer": installation.peer.name,
            "found": {
                "kind": place.kind,
                "namespace": place.namespace,
                "name": place.name,
                "container": place.container,
                "image": image,
                "besideOthers": installation.is_sidecar,
                "serviceAccount": installation.service_account,
                "roles": [*survey.surroundings.bindings],
                "configuration": config.path,
                "configMap": config.key.name,
            },
            "mode": None if settings is None else settings.mode,
            "problems": [*survey.problems],
            "warnings": [printable(warning) for warning in survey.warnings],
            "notes": [*survey.notes()],
            "lackingRights": [*lacking],
            "folder": str(folder),
            "files": [*files],
        }
        if self._output != "table":
            return
        page = self._page
        page.line(page.coloured(f"Found {installation.peer.name}:", "bold"))
        source = f"ConfigMap {config.key}" if config.entry else "given"
        page.table(
            [
                ("runs in", f"{place}{' (beside others)' if installation.is_sidecar else ''}"),
                ("image", printable(image)),
                ("configuration", f"{config.path} ({'given, for ' * survey.given}{source})"),
                ("service account", survey.account),
                ("its roles", ", ".join(survey.surroundings.bindings) or "none"),
            ],
            indent="  ",
        )
        page.line()
        self._said(survey, len(lacking))
        page.paragraph(f"Written to {folder}: {', '.join(files)}.")
        page.line()

    def _said(self, survey: Survey, lacking: int) -> None:
        """What is wrong or means something else, and what to know before."""
        page = self._page
        for problem in survey.problems:
            page.paragraph(problem, first=f"  {page.coloured('!', 'red')} ", indent="    ")
        for warning in survey.warnings:
            sign = page.coloured("~", "yellow")
            page.paragraph(printable(warning), first=f"  {sign} ", indent="    ")
        for note in survey.notes():
            page.paragraph(note, first="  - ", indent="    ")
        if survey.problems:
            page.paragraph(
                "With this file our registrar would not start: correct a copy of it, and give that "
                "by --config FILE."
            )
        elif survey.settings is not None:
            page.paragraph(
                f"Its file is taken as it is, in {survey.settings.mode} mode; rights.yaml adds "
                f"{counted(lacking, 'right')} that its roles lack."
            )
        page.line()

    def plan(self, outlook: Outlook, *, limit: int) -> None:
        """What our registrar would change."""
        self._document["plan"] = document_of(outlook, shows_kept=False)
        if self._output == "table":
            self._page.line(self._page.coloured("Plan:", "bold"))
            show(outlook, self._page, limit=limit, shows_kept=False)
            self._page.line()

    def no_plan(self, why: str) -> None:
        """Why there is none."""
        self._document["plan"] = None
        self._document["noPlanBecause"] = printable(why)
        self._page.paragraph(
            f"There is no plan from here: {printable(why)}. Name the SPIRE server's socket by "
            "--server-socket-path, or run this where it is mounted."
        )

    def steps(self, steps: Sequence[Step]) -> None:
        """What is about to be done."""
        self._page.line(self._page.coloured("Steps:", "bold"))
        for number, step in enumerate(steps, 1):
            self._page.paragraph(step.title, first=f"  {number}. ", indent="     ")
        self._page.line()

    def before(self, number: int, of: int, step: Step) -> None:
        """A step begins."""
        self._page.paragraph(f"{step.title} …", first=f"[{number}/{of}] ", indent="      ")

    def after(self, outcome: Outcome) -> None:
        """A step has ended."""
        self._outcomes.append(outcome)
        word = self._page.coloured("done", "green")
        if not outcome.is_done:
            word = self._page.coloured("failed", "red")
        self._page.paragraph(f"{word}: {outcome.what}", first="      ", indent="      ")

    def stopped(self, peer: str, folder: Path, *, is_undo: bool) -> None:
        """A step failed."""
        again = "--undo" if is_undo else "--apply"
        back = "" if is_undo else f" Or go back: spire-registrar migrate {peer} --undo "
        if back:
            back += f"--output-dir {folder}"
        self.refuse(
            "a step failed, and those after it were not done: see why, and repeat the command "
            f"with {again}, which goes on from there.{back}"
        )

    def watched(self, report: Report | None) -> None:
        """What the watch saw."""
        if report is None:
            self._document["watch"] = None
            self._page.line("No entry was watched.")
            return
        self._document["watch"] = {
            "entries": report.watched,
            "listings": report.listings,
            "missingMoments": report.moments,
            "missing": [printable(key.spiffe_id) for key in report.missing],
            "wentWithTheirPods": report.departed,
            "unansweredListings": report.unanswered,
            "longestGapSeconds": round(report.longest_gap_seconds, 3),
        }
        entries = counted(report.watched, "entry", "entries")
        self._page.paragraph(
            f"Watched {entries} by {counted(report.listings, 'listing')}, at most "
            f"{report.longest_gap_seconds:.1f} s apart: {counted(report.moments, 'moment')} in "
            "which one was missing."
        )
        if report.unanswered:
            times = counted(report.unanswered, "listing")
            self._page.paragraph(f"The SPIRE server did not answer {times}, so nothing was seen.")
        if report.departed:
            entries = counted(report.departed, "entry", "entries")
            self._page.paragraph(f"{entries} went with their Pods, which is right.")
        for key in report.missing[:_SHOWN]:
            self._page.line(f"  {self._page.coloured('missing', 'red')} {printable(key.spiffe_id)}")

    def refuse(self, why: str) -> None:
        """Why nothing more is done."""
        self._document["error"] = printable(why)
        print(f"spire-registrar: {printable(why)}", file=sys.stderr)

    def end(self, code: int) -> None:
        """Give the document."""
        self._document["steps"] = [
            {"step": each.title, "done": each.is_done, "what": each.what} for each in self._outcomes
        ]
        self._document["exitCode"] = code
        if self._output != "table":
            sys.stdout.write(as_document(self._document, self._output))
