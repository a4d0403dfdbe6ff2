"""How large a ClusterSPIFFEID may be: checked as a whole before anything of it is compiled.

An API server stores objects of more than a megabyte, and whoever reaches the webhook's
port may send one that no API server has seen. With these bounds compiling an object takes
some milliseconds whatever it holds, so it may be done on an event loop.
"""

from dataclasses import replace

from api.labels import LabelSelector
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEIDSpec
from registrar.errors import InvalidField
from registrar.gotemplate.errors import TemplateError, TemplateLimitError
from registrar.gotemplate.limits import DEFAULT
from registrar.gotemplate.template import Template

_MOST_TEXT = DEFAULT.template_size
_MOST_TEMPLATES = 100
_MOST_DOMAINS = 1000
_MOST_REQUIREMENTS = 100
_MOST_VALUES = 1000
_MOST_SELECTOR_TEXT = 64 * 1024
_MOST_DOMAIN = 2048
_REFUSED = "not a Go template"
_MOST_WORDS = 1000
"""Characters of what the engine says that a message repeats."""


def check_size(spec: ClusterSPIFFEIDSpec) -> None:
    """The bounds of the whole object. Raises InvalidField, naming the field that is too large."""
    counted = (
        ("spec.dnsNameTemplates", spec.dns_name_templates, _MOST_TEMPLATES),
        ("spec.workloadSelectorTemplates", spec.workload_selector_templates, _MOST_TEMPLATES),
        ("spec.federatesWith", spec.federates_with, _MOST_DOMAINS),
    )
    for path, values, most in counted:
        _check_count(len(values), most, path)
    for number, domain in enumerate(spec.federates_with):
        if len(domain) > _MOST_DOMAIN:
            remedy = f"a trust domain has at most {_MOST_DOMAIN} characters"
            raise InvalidField(f"spec.federatesWith[{number}]", domain, remedy)
    size = 0
    for path, text in _texts(spec):
        size += len(text)
        if size > _MOST_TEXT:
            raise InvalidField(
                path,
                f"{text[:32]}...",
                f"the templates of the object have more than {_MOST_TEXT} characters together: "
                "shorten them, or use several ClusterSPIFFEIDs",
            )
    _check_selector(spec.pod_selector, "spec.podSelector")
    _check_selector(spec.namespace_selector, "spec.namespaceSelector")


class Parsing:
    """Parses the templates of one object; together they may have as many words as one alone."""

    def __init__(self) -> None:
        self._left = DEFAULT.tokens

    def parse(self, text: str, *, path: str) -> Template:
        """Parse a template. Raises InvalidField with the words of Go's parser."""
        try:
            made = Template.parse(
                path.removeprefix("spec."), text, limits=replace(DEFAULT, tokens=self._left)
            )
        except TemplateLimitError as error:
            shared = (
                f"; all templates of an object together may have {DEFAULT.tokens} words and signs"
            )
            more = shared if self._left < DEFAULT.tokens else ""
            raise InvalidField(path, text, f"{_REFUSED}: {excerpt(error)}{more}") from error
        except TemplateError as error:
            raise InvalidField(path, text, f"{_REFUSED}: {excerpt(error)}") from error
        self._left -= made.size
        return made


def excerpt(error: TemplateError) -> str:
    """What the engine says, cut where it repeats a long text of the template."""
    text = str(error)
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}..."


def _texts(spec: ClusterSPIFFEIDSpec) -> list[tuple[str, str]]:
    """All templates with their fields."""
    return [
        ("spec.spiffeIDTemplate", spec.spiffe_id_template),
        ("spec.parentIDTemplate", spec.parent_id_template),
        *_numbered("spec.workloadSelectorTemplates", spec.workload_selector_templates),
        *_numbered("spec.dnsNameTemplates", spec.dns_name_templates),
    ]


def _numbered(path: str, texts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"{path}[{number}]", text) for number, text in enumerate(texts)]


def _check_count(count: int, most: int, path: str) -> None:
    if count > most:
        raise InvalidField(
            path, f"{count} of them", f"use {most} at most, or several ClusterSPIFFEIDs"
        )


def _check_selector(selector: LabelSelector | None, path: str) -> None:
    if selector is None:
        return
    labels, expressions = selector.match_labels, selector.match_expressions
    _check_count(len(labels), _MOST_REQUIREMENTS, f"{path}.matchLabels")
    _check_count(len(expressions), _MOST_REQUIREMENTS, f"{path}.matchExpressions")
    values = sum(len(expression.values) for expression in expressions)
    _check_count(values, _MOST_VALUES, f"{path}.matchExpressions.values")
    size = sum(len(key) + len(value) for key, value in labels.items()) + sum(
        len(expression.key) + len(expression.operator) + sum(map(len, expression.values))
        for expression in expressions
    )
    if size > _MOST_SELECTOR_TEXT:
        raise InvalidField(
            path, f"{size} characters", f"use {_MOST_SELECTOR_TEXT} characters at most"
        )
