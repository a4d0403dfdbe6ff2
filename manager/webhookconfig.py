"""What ``spire-registrar generate-config`` makes: the documents, the files and their words."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import yaml

from api.codec import JSONObject, JSONValue
from api.documents import dump_yaml
from api.durations import parse_duration
from registrar.admission.material import (
    KEY_ALGORITHMS,
    Algorithms,
    Material,
    Service,
    admission_configuration,
    config_map,
    kubeconfig,
    make_material,
    secret,
    webhook_configuration,
)
from registrar.errors import InvalidField

_OWNER, _EVERYBODY = 0o600, 0o644
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_UNUSED_CURVE = "ec-p224"
"""TLS 1.3 does without this curve: an authority may sign with it, the others are of no use."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the flags ask for."""

    service: Service
    algorithms: Algorithms
    ttl: timedelta | None
    kubeconfig_path: str


@dataclass(frozen=True, slots=True)
class _Document:
    """One YAML document and what it is for."""

    purpose: str
    body: JSONObject

    def __str__(self) -> str:
        comment = "".join(f"# {line}\n" for line in self.purpose.splitlines())
        return f"---\n{comment}{dump_yaml(_readable(self.body))}"


@dataclass(frozen=True, slots=True)
class _File:
    """A file to write, and what to do with it then."""

    name: str
    content: str
    mode: int
    use: str


def generate(arguments: argparse.Namespace) -> str:
    """Do what the flags ask for; gives what to print. Raises InvalidField."""
    folder: Path | None = arguments.output_dir
    request = _request(arguments)
    material = make_material(
        request.service, algorithms=request.algorithms, now=datetime.now(UTC), ttl=request.ttl
    )
    if folder is None:
        return "\n".join(str(document) for document in _documents(material, request))
    files = _files(material, request, folder)
    _write(folder, files, force=arguments.force)
    return "".join(f"wrote {folder / file.name}\n  {file.use}\n" for file in files)


def warnings(arguments: argparse.Namespace) -> list[str]:
    """Keys that will not do, though they were asked for."""
    return [
        f"{flag}: {algorithm!r}: most TLS libraries refuse this curve: use ec-p256 unless you know "
        "that yours does not"
        for flag, algorithm in (
            ("--server-key-alg", arguments.server_key_alg.lower()),
            ("--client-key-alg", arguments.client_key_alg.lower()),
        )
        if algorithm == _UNUSED_CURVE
    ]


def _request(arguments: argparse.Namespace) -> _Request:
    """Read the flags. Raises InvalidField."""
    return _Request(
        service=Service(
            name=_label("--service", arguments.service),
            namespace=_label("--namespace", arguments.namespace),
        ),
        algorithms=Algorithms(
            authority=_algorithm("--ca-key-alg", arguments.ca_key_alg),
            server=_algorithm("--server-key-alg", arguments.server_key_alg),
            client=_algorithm("--client-key-alg", arguments.client_key_alg),
        ),
        ttl=_ttl(arguments.ttl),
        kubeconfig_path=_absolute("--kubeconfig-path", arguments.kubeconfig_path),
    )


def _label(flag: str, text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise InvalidField(flag, text, "use at most 63 lower case letters, digits and '-'")
    return text


def _algorithm(flag: str, text: str) -> str:
    if text.lower() not in KEY_ALGORITHMS:
        raise InvalidField(flag, text, f"use one of {', '.join(KEY_ALGORITHMS)}")
    return text.lower()


def _ttl(text: str) -> timedelta | None:
    remedy = "write a duration of at least 1s such as 8760h, or 0 for ever"
    try:
        life = timedelta(microseconds=parse_duration(text) // 1000)
    except ValueError as error:
        raise InvalidField("--ttl", text, f"{error}: {remedy}") from error
    if not life:
        return None
    if life < timedelta(seconds=1):
        raise InvalidField("--ttl", text, remedy)
    return life


def _absolute(flag: str, text: str) -> str:
    if not PurePosixPath(text).is_absolute():
        raise InvalidField(flag, text, "write a path that begins with '/'")
    return text


def _objects(material: Material, service: Service) -> list[_Document]:
    """What is applied to the cluster."""
    return [
        _Document(
            "For the cluster: the registrar's certificate, and the authority by which it knows\n"
            "the API server. Mounted for cert_path and cacert_path.",
            config_map(material, service),
        ),
        _Document(
            "For the cluster: the registrar's private key. Mounted for key_path.",
            secret(material, service),
        ),
        _Document(
            "For the cluster: makes the API server tell the registrar of Pods. While it is\n"
            "down, Pods are made all the same.",
            webhook_configuration(material, service),
        ),
    ]


def _kubeconfig(material: Material, request: _Request) -> _Document:
    return _Document(
        f"For every API server, as the file {request.kubeconfig_path}: the certificate\n"
        "and private key which it shows to the registrar.",
        kubeconfig(material, request.service),
    )


def _admission_configuration(request: _Request) -> _Document:
    return _Document(
        "For every API server: the file that its flag --admission-control-config-file names. If\n"
        "there is one, add the plugin to it.",
        admission_configuration(request.kubeconfig_path),
    )


def _documents(material: Material, request: _Request) -> list[_Document]:
    """All of them; the API server's stand before what makes it use them."""
    *carriers, webhook = _objects(material, request.service)
    return [
        *carriers,
        _kubeconfig(material, request),
        _admission_configuration(request),
        webhook,
    ]


def _files(material: Material, request: _Request, folder: Path) -> list[_File]:
    """All of them; those with a private key are the owner's only."""
    objects = "\n".join(str(document) for document in _objects(material, request.service))
    return [
        _File(
            "kubeconfig.yaml",
            str(_kubeconfig(material, request)),
            _OWNER,
            f"copy it to {request.kubeconfig_path} on the machine of every API server",
        ),
        _File(
            "admission-configuration.yaml",
            str(_admission_configuration(request)),
            _EVERYBODY,
            "copy it there too, and name it to kube-apiserver by --admission-control-config-file",
        ),
        _File(
            "objects.yaml",
            objects,
            _OWNER,
            f"before the registrar starts: kubectl apply -f {folder / 'objects.yaml'}",
        ),
        _File(
            "cacert.pem",
            material.authority,
            _EVERYBODY,
            "the registrar's cacert_path; it stands in objects.yaml too",
        ),
        _File(
            "server-cert.pem",
            material.server_certificate,
            _EVERYBODY,
            "the registrar's cert_path; it stands in objects.yaml too",
        ),
        _File(
            "server-key.pem",
            material.server_key,
            _OWNER,
            "the registrar's key_path; it stands in objects.yaml too",
        ),
        _File(
            "client-cert.pem",
            material.client_certificate,
            _EVERYBODY,
            "the API server's; it stands in kubeconfig.yaml too",
        ),
        _File(
            "client-key.pem",
            material.client_key,
            _OWNER,
            "the API server's; it stands in kubeconfig.yaml too",
        ),
    ]


def _write(folder: Path, files: Sequence[_File], *, force: bool) -> None:
    """Write all of them, or none if one is there already. Raises InvalidField."""
    there = [file.name for file in files if os.path.lexists(folder / file.name)]
    if there and not force:
        remedy = f"has {', '.join(there)}: name another folder, or give --force to replace them"
        raise InvalidField("--output-dir", str(folder), remedy)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = folder / file.name
            # A new file: one that is there may be readable by others, or lead somewhere else.
            path.unlink(missing_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(file.content)
    except OSError as error:
        remedy = f"cannot write there: {error.strerror or error}; name another folder"
        raise InvalidField("--output-dir", str(folder), remedy) from error


class _Block(str):
    """A text of several lines that keeps them in YAML."""

    __slots__ = ()


def _as_block(dumper: yaml.Dumper, text: _Block) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")


yaml.add_representer(_Block, _as_block)


def _readable(value: JSONValue) -> JSONValue:
    """The same document, its texts of several lines as blocks."""
    if isinstance(value, dict):
        return {key: _readable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_readable(inner) for inner in value]
    return _Block(value) if isinstance(value, str) and "\n" in value else value
