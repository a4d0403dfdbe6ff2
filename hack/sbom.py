"""Writes the bill of materials of what we ship: CycloneDX JSON of all that the run lock names.

Versions, hashes and who needs whom come from requirements-run.lock, licences from the installed
distributions, which are of those very versions. There is no time and no serial number in it, so
that the same checkout gives the same bytes. Called by ``make sbom``.
"""

import argparse
import configparser
import dataclasses
import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = "requirements-run.lock"
SPEC_VERSION = "1.6"

_PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")
_VIA = re.compile(r"^    # (?:via(?=.)|  )\s*(?P<who>\S.*)$")
_CLASSIFIER = "License :: OSI Approved :: "
_IDENTIFIERS = {
    **{
        name: name
        for name in ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0")
    },
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX identifiers of licences that distributions name in their own words."""


class SBOMError(Exception):
    """The bill cannot be written; the message says what to do."""


@dataclasses.dataclass(slots=True)
class Locked:
    """One distribution as the lock has it; ``wanted_by`` are the names of who needs it."""

    name: str
    version: str
    digests: list[str] = dataclasses.field(default_factory=list)
    wanted_by: list[str] = dataclasses.field(default_factory=list)

    @property
    def reference(self) -> str:
        """Its package URL, which is its reference within the bill too."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Locked]:
    """The distributions of a lock file, by name."""
    found: list[Locked] = []
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            found.append(Locked(_normal(pinned["name"]), pinned["version"]))
        elif found and (digest := _HASH.search(line)):
            found[-1].digests.append(digest["digest"])
        elif found and (via := _VIA.match(line)) and not via["who"].startswith("-c "):
            found[-1].wanted_by.append(_normal(via["who"].partition(" (")[0]))
    return sorted(found, key=lambda each: each.name)


def bill(checkout: Path = CHECKOUT) -> dict[str, object]:
    """The bill of a checkout.

    Raises:
        SBOMError: what is installed is not what is locked.

    """
    product = configparser.ConfigParser()
    product.read(checkout / "setup.cfg", encoding="utf-8")
    about = product["metadata"]
    own = Locked(about["name"], about["version"])
    locked = read_lock((checkout / LOCK).read_text(encoding="utf-8"))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own.reference,
                "name": own.name,
                "version": own.version,
                "description": about["description"],
                "licenses": [{"license": {"id": about["license"]}}],
                "purl": own.reference,
            }
        },
        "components": [_component(each) for each in locked],
        "dependencies": [
            {
                "ref": each.reference,
                "dependsOn": [other.reference for other in locked if each.name in other.wanted_by],
            }
            for each in (own, *locked)
        ],
    }


def written(document: dict[str, object]) -> str:
    """The text of a bill."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _component(locked: Locked) -> dict[str, object]:
    return {
        "type": "library",
        "bom-ref": locked.reference,
        "name": locked.name,
        "version": locked.version,
        "licenses": list(_licences(locked)),
        "purl": locked.reference,
        # One hash for each file that the index has of this version.
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{locked.name}/{locked.version}/",
                "hashes": [
                    {"alg": "SHA-256", "content": digest} for digest in sorted(locked.digests)
                ],
            }
        ],
    }


def _licences(locked: Locked) -> Iterator[dict[str, object]]:
    try:
        found = metadata.metadata(locked.name)
    except metadata.PackageNotFoundError:
        raise SBOMError(f"{locked.name} is locked and not installed: make setup") from None
    if found["Version"] != locked.version:
        raise SBOMError(
            f"{locked.name} {found['Version']} is installed and {locked.version} locked: make setup"
        )
    if expressions := found.get_all("License-Expression"):
        yield {"expression": expressions[0]}
        return
    classifiers = [
        each.removeprefix(_CLASSIFIER)
        for each in found.get_all("Classifier") or []
        if each.startswith(_CLASSIFIER)
    ]
    # Some put the whole text where its name should be.
    named = [each for each in found.get_all("License") or [] if each and "\n" not in each]
    names = [*named, *classifiers]
    if identifiers := [_IDENTIFIERS[name] for name in names if name in _IDENTIFIERS]:
        yield {"license": {"id": identifiers[0]}}
    elif names:
        yield {"license": {"name": names[0]}}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/sbom.py", description="Write the bill of materials of what we ship."
    )
    parser.add_argument("--output", type=Path, help="the file (default: standard output)")
    chosen = parser.parse_args(arguments)
    output: Path | None = chosen.output
    try:
        text = written(bill())
    except SBOMError as error:
        print(error, file=sys.stderr)
        return 1
    if output is None:
        sys.stdout.write(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
