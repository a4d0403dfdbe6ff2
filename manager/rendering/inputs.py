"""What a person gives to `render`: files of objects and Pods, and what surrounds templates."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from api.codec import DecodeError, JSONObject, convert
from api.core import PodSpec
from api.documents import load_yaml_documents
from api.kinds import CLUSTER_SPIFFEID
from manager.rendering.mark import marked
from manager.rendering.pods import Around, SeenPod, flattened, pods_in
from manager.rendering.subjects import (
    ModeTemplates,
    ObjectTemplates,
    Problem,
    Rendered,
    data_of_object,
    texts_of,
)
from registrar.claims.namespaces import IgnoredNamespaces
from registrar.claims.podspiffeid import compile_rules
from registrar.claims.podtemplate import Surroundings
from registrar.errors import InvalidField
from registrar.gotemplate.podinfo import context_of, pod_info
from registrar.gotemplate.values import Value
from registrar.settings.model import CRDMode, PodIdentity, Settings

STANDARD_INPUT = Path("-")


def _none(_: str) -> bool:
    return False


@dataclass(slots=True)
class Given:
    """Everything that the files hold. ``broken`` are objects that are wrong by themselves."""

    is_ignored: Callable[[str], bool] = _none
    """Whether the configuration leaves out a Namespace of that name."""
    subjects: list[ObjectTemplates | ModeTemplates] = field(default_factory=list)
    pods: list[JSONObject] = field(default_factory=list)
    around: Around = field(default_factory=Around)
    broken: list[Rendered] = field(default_factory=list)

    def take(self, documents: Iterable[JSONObject], surroundings: Surroundings) -> None:
        """Take in documents of any kinds; what is of no use is left alone."""
        listed = list(flattened(documents))
        self.pods += pods_in(listed)
        for document in listed:
            self.around.take(document)
            api_version, kind = document.get("apiVersion"), document.get("kind")
            if (api_version, kind) == (CLUSTER_SPIFFEID.api_version, CLUSTER_SPIFFEID.kind):
                self._take_object(document, surroundings)

    def take_mode(self, settings: Settings, *, namespace: str) -> None:
        """Take the templates of crd mode out of a configuration."""
        config = settings.workload_registrar
        if not isinstance(config, CRDMode):
            return
        texts = {"identity_template": config.identity_template} | {
            f"dns_name_templates[{n}]": text for n, text in enumerate(config.dns_name_templates)
        }
        try:
            rules = compile_rules(
                config,
                settings.pods or PodIdentity("template"),
                trust_domain=settings.trust_domain,
                cluster=settings.cluster,
                own_namespace=namespace,
            )
        except InvalidField as error:
            problem = Problem(str(error), tuple(marked(str(error), texts)))
            self.broken.append(Rendered(ModeTemplates.name, problem=problem))
            return
        self.subjects.append(ModeTemplates(rules, texts))

    def _take_object(self, document: JSONObject, surroundings: Surroundings) -> None:
        metadata = document.get("metadata")
        name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
        subject = f"ClusterSPIFFEID/{name}"
        try:
            obj = convert(document, CLUSTER_SPIFFEID.type)
        except DecodeError as error:
            self.broken.append(Rendered(subject, problem=Problem(str(error))))
            return
        try:
            self.subjects.append(ObjectTemplates(obj, surroundings, self.is_ignored))
        except InvalidField as error:
            place = tuple(marked(str(error), texts_of(obj)))
            self.broken.append(Rendered(subject, problem=Problem(str(error), place)))


def documents_of(path: Path) -> list[JSONObject]:
    """The documents of a file, or of standard input. Raises InvalidField."""
    try:
        is_input = path == STANDARD_INPUT
        text = sys.stdin.read() if is_input else path.read_text(encoding="utf-8")
        loaded = load_yaml_documents(text)
    except (OSError, UnicodeDecodeError, DecodeError) as error:
        raise InvalidField(str(path), "", str(error)) from error
    found = [document for document in loaded if isinstance(document, dict)]
    if len(found) < len(loaded):
        raise InvalidField(str(path), "", "a document in it is no object: write kind and metadata")
    return found


def surroundings_of(settings: Settings | None, *, trust_domain: str, cluster: str) -> Surroundings:
    """What templates see besides Pods: of the configuration, flags first. Raises InvalidField."""
    manager = None if settings is None else settings.controller_manager
    found = Surroundings(
        trust_domain=trust_domain or ("example.org" if settings is None else settings.trust_domain),
        cluster_name=cluster or ("cluster" if settings is None else settings.cluster),
        cluster_domain="cluster.local" if manager is None else manager.cluster_domain,
        refuses_dns_names=manager is not None and manager.refuses_dns_names,
    )
    if manager is None or not manager.parent_id_template:
        return found
    return found.with_parent(manager.parent_id_template, path="parentIDTemplate")


def ignored_of(settings: Settings | None) -> Callable[[str], bool]:
    """Which Namespaces get nothing by templates. Raises InvalidField for a pattern that is none."""
    manager = None if settings is None else settings.controller_manager
    return _none if manager is None else IgnoredNamespaces(manager.ignore_namespaces).matches


def data_of(settings: Settings | None, surroundings: Surroundings) -> Callable[[SeenPod], Value]:
    """What a template to try sees: with a configuration of crd mode, what that mode shows."""
    workload = None if settings is None else settings.workload_registrar
    if not isinstance(workload, CRDMode):
        return partial(data_of_object, surroundings=surroundings)
    context = context_of(dict(workload.context))

    def data(pod: SeenPod) -> Value:
        spec = convert(pod.spec, PodSpec)
        return pod_info(
            name=pod.key.name,
            uid=pod.uid,
            namespace=pod.key.namespace,
            service_account=spec.service_account_name,
            hostname=spec.hostname,
            node_name=spec.node_name,
            context=context,
        )

    return data
