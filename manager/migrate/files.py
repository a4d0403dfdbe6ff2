"""What a migration writes into its folder: the peer's file, manifests for kustomize, and a page."""

import os
from pathlib import Path

from api.codec import JSONObject
from api.documents import dump_yaml
from manager.migrate.reading import key_of, portable
from manager.migrate.survey import Survey
from manager.migrate.swap import ours

PAGE, PATCH, WORKLOAD = "README.md", "patch.yaml", "workload.yaml"
CRDS, RIGHTS, KUSTOMIZATION = "crds.yaml", "rights.yaml", "kustomization.yaml"


def write_files(survey: Survey, *, image: str, folder: Path) -> list[str]:
    """Write them; gives their names. Raises OSError and Unclear."""
    documents: dict[str, list[JSONObject]] = {
        WORKLOAD: [portable(survey.installation.workload)],
        PATCH: [patch_of(survey, image)],
        CRDS: survey.definitions(),
        RIGHTS: survey.roles(),
    }
    texts = {
        name: "---\n".join(map(dump_yaml, found)) for name, found in documents.items() if found
    }
    resources = [name for name in (CRDS, RIGHTS, WORKLOAD) if name in texts]
    kustomization: JSONObject = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*resources],
        "patches": [{"path": PATCH}],
    }
    texts[KUSTOMIZATION] = dump_yaml(kustomization)
    texts[survey.config.name] = survey.config.text
    texts[PAGE] = page(survey, image=image, folder=folder)
    for name, content in texts.items():
        write_private(folder / name, content)
    return sorted(texts)


def write_private(path: Path, content: str) -> None:
    """Write a file that nobody else may read: variables of a container may be secret."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)


def patch_of(survey: Survey, image: str) -> JSONObject:
    """A strategic merge patch of the workload that swaps the container's image and command."""
    place = survey.installation.place
    changed = ours(survey.installation, image)
    container: JSONObject = {"name": place.container, "image": image}
    if "command" in survey.installation.container:
        container |= {"command": None, "args": changed["args"]}
    return {
        "apiVersion": place.of.api_version,
        "kind": place.kind,
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": {"template": {"spec": {place.field: [container]}}},
    }


def page(survey: Survey, *, image: str, folder: Path) -> str:
    """The steps by hand, and what ``--apply`` would do of them."""
    installation, config = survey.installation, survey.config
    place, peer = installation.place, installation.peer.name
    command = f"spire-registrar migrate {peer} --output-dir {folder}"
    where = f"ConfigMap {config.key}" if config.entry else "given by hand"
    lines = [
        f"# From {peer} to spire-registrar",
        "",
        f"Found: {place}; image {installation.container.get('image')}.",
        f"Its service account is {survey.account}, its configuration {config.path} ({where}).",
        "",
        "## Before",
        "",
        *(f"- Must be changed: {problem}" for problem in survey.problems),
        *(f"- Has another meaning here: {warning}" for warning in survey.warnings),
        *(f"- {note}" for note in survey.notes()),
        f"- {config.name} stays as it is, where no line above says otherwise.",
        "",
        "## By the tool",
        "",
        f"    {command} --image {image} --apply",
        f"    {command} --undo",
        "",
        "## By hand",
        "",
    ]
    return "\n".join([*lines, *_by_hand(survey, folder)]) + "\n"


def _by_hand(survey: Survey, folder: Path) -> list[str]:
    installation = survey.installation
    place, peer = installation.place, installation.peer.name
    steps: list[str] = []
    if survey.changes_kinds:
        steps.append(
            f"{peer}'s kinds cannot be changed in place: do what docs/howto/"
            "migrate-from-spire-k8s-registrar.md says, in the place of step 2 below."
        )
    stop = f"kubectl scale --namespace {place.namespace} {place.kind.lower()}/{place.name}"
    names = [key_of(document).name for document in survey.definitions()]
    if names:
        steps.append(f"`kubectl apply --server-side --force-conflicts -f {folder / CRDS}`")
    if survey.roles():
        steps.append(f"`kubectl apply -f {folder / RIGHTS}`")
    if not installation.is_sidecar and place.kind != "DaemonSet":
        steps.append(f"Stop {peer} first: `{stop} --replicas=0`, and wait until its Pods are gone.")
    elif installation.overlaps or survey.changes_kinds:
        steps.append(
            f"Stop {peer} first: take container {place.container} out of {place.workload}, and "
            "wait until no Pod has it: old and new Pods would else run at the same time."
        )
    steps.append(
        f"Swap the container: `kubectl patch --namespace {place.namespace} {place.kind.lower()}"
        f"/{place.name} --patch-file {folder / PATCH}`, or use {folder} as a kustomization "
        f"(`kubectl apply -k {folder}`)."
    )
    if not installation.is_sidecar and place.kind != "DaemonSet":
        steps.append(f"`{stop} --replicas=N`, as it was.")
    steps.append("Look: `spire-registrar doctor`, and /readyz?verbose at the metrics address.")
    return [f"{number}. {step}" for number, step in enumerate(steps, 1)]
