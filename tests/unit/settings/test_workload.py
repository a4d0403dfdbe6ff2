"""k8s-workload-registrar's file to Settings: every mode, default and check."""

from pathlib import Path

import pytest

from registrar.settings.load import interpret
from registrar.settings.model import (
    CRDMode,
    LeaderElection,
    PodIdentity,
    ReconcileMode,
    Settings,
    SpiffeIDWebhook,
    TCPAddress,
    UnixAddress,
    WebhookMode,
)
from registrar.settings.problems import ConfigError

PATH = Path("registrar.conf")
REQUIRED = 'cluster = "c"\ntrust_domain = "d.test"\nserver_socket_path = "/s"\n'


def settings(mode: str, more: str = "", **flags: str) -> Settings:
    """The settings of a file of that mode."""
    return interpret(f'{REQUIRED}mode = "{mode}"\n{more}', path=PATH, overrides=flags)


def complaints(text: str) -> list[str]:
    """What is wrong with a file, as ``field: message``."""
    with pytest.raises(ConfigError) as caught:
        interpret(text, path=PATH)
    return [f"{problem.field}: {problem.message}" for problem in caught.value.problems]


def complaint(mode: str, more: str) -> str:
    """The only thing that is wrong."""
    (found,) = complaints(f'{REQUIRED}mode = "{mode}"\n{more}')
    return found


def test_webhook_mode_has_the_originals_defaults() -> None:
    assert settings("webhook") == Settings(
        cluster="c",
        trust_domain="d.test",
        spire=UnixAddress(Path("/s")),
        pods=PodIdentity("service_account"),
        metrics_addr="0",
        workload_registrar=WebhookMode(
            certificate=Path("cert.pem"), key=Path("key.pem"), client_authority=Path("cacert.pem")
        ),
    )


def test_reconcile_mode_has_the_originals_defaults() -> None:
    found = settings("reconcile")
    assert found.workload_registrar == ReconcileMode()
    assert found.pods == PodIdentity("service_account")
    assert found.metrics_addr == ":8080"
    assert found.leader_election is None


def test_crd_mode_has_the_originals_defaults() -> None:
    found = settings("crd")
    assert found.workload_registrar == CRDMode()
    assert found.pods == PodIdentity("template")
    assert found.metrics_addr == ":8080"


def test_the_smallest_file_is_known_by_its_name_and_in_webhook_mode() -> None:
    found = interpret(REQUIRED, path=Path("/etc/registrar/k8s-workload-registrar.conf"))
    assert isinstance(found.workload_registrar, WebhookMode)
    assert interpret(REQUIRED, path=PATH).workload_registrar is None


def test_a_key_that_only_this_tool_has_chooses_it_without_a_mode() -> None:
    found = interpret(REQUIRED + 'agent_socket_path = "/a"', path=PATH)
    assert isinstance(found.workload_registrar, WebhookMode)


def test_every_key_of_webhook_mode_is_read() -> None:
    found = settings(
        "webhook",
        'addr = "127.0.0.1:9443"\ncert_path = "/c"\nkey_path = "/k"\ncacert_path = "/ca"\n'
        'pod_label = "spiffe"\ndisabled_namespaces = ["a"]\nlog_format = "json"',
    )
    assert found.workload_registrar == WebhookMode(
        host="127.0.0.1",
        port=9443,
        certificate=Path("/c"),
        key=Path("/k"),
        client_authority=Path("/ca"),
    )
    assert found.pods == PodIdentity("label", "spiffe", frozenset({"a"}))
    assert found.log_format == "json"


def test_without_client_verification_there_is_no_authority() -> None:
    found = settings("webhook", "insecure_skip_client_verification = true").workload_registrar
    assert isinstance(found, WebhookMode)
    assert found.client_authority is None


def test_every_key_of_reconcile_mode_is_read() -> None:
    found = settings(
        "reconcile",
        'controller_name = "mine"\nadd_pod_dns_names = true\ncluster_dns_zone = "z.test"\n'
        'metrics_addr = "0"\nleader_election = true\nleader_election_resource_lock = "configmaps"',
    )
    assert found.workload_registrar == ReconcileMode(controller_name="mine", dns_zone="z.test")
    assert found.leader_election == LeaderElection(namespace=None, name="mine-leader-election")
    (warning,) = found.warnings
    assert "configmaps" in warning
    assert "Lease" in warning


def test_every_key_of_crd_mode_is_read() -> None:
    found = settings(
        "crd",
        'identity_template = "{{.Context.A}}/{{.Pod.Name}}"\nidentity_template_label = "yes"\n'
        'dns_name_templates = ["{{.Pod.UID}}"]\ncontext { A = "1" }\nadd_svc_dns_name = false\n'
        'webhook_enabled = true\nwebhook_port = 8443\nwebhook_service_name = "svc"\n'
        'metrics_bind_addr = ":1"\nleader_election = true\nwebhook_cert_dir = "/x"',
    )
    assert found.workload_registrar == CRDMode(
        identity_template="{{.Context.A}}/{{.Pod.Name}}",
        dns_name_templates=("{{.Pod.UID}}",),
        context=(("A", "1"),),
        service_dns_names=False,
        webhook=SpiffeIDWebhook(port=8443, service_name="svc"),
    )
    assert found.pods == PodIdentity("template", "yes")
    assert found.metrics_addr == ":1"
    election = LeaderElection(namespace=None, name="spire-k8s-registrar-leader-election")
    assert found.leader_election == election
    assert found.warnings == (
        (
            "line 15: webhook_cert_dir does nothing here: the certificate comes from SPIRE and "
            "stays in memory"
        ),
    )


def test_a_pod_controller_that_is_off_makes_nothing_of_pods() -> None:
    assert settings("crd", "pod_controller = false").pods is None


def test_the_server_is_a_socket_or_an_address_with_an_agent() -> None:
    required = 'cluster = "c"\ntrust_domain = "d.test"\nmode = "crd"\n'
    by_url = interpret(required + 'server_address = "unix:///x"', path=PATH)
    assert by_url.spire == UnixAddress(Path("/x"))
    by_tcp = interpret(
        required + 'server_address = "spire:8081"\nagent_socket_path = "/a"', path=PATH
    )
    assert by_tcp.spire == TCPAddress("spire", 8081, Path("/a"))
    assert complaints(required) == ["server_socket_path: missing: give it or server_address"]
    assert complaints(required + 'server_address = "spire:8081"') == [
        "agent_socket_path: missing; it is required while server_address is no unix socket"
    ]


def test_keys_of_another_mode_do_nothing_and_say_so() -> None:
    found = settings("reconcile", 'addr = ":8443"\nidentity_template = "x"')
    assert found.warnings == (
        "line 5: addr does nothing here: it is a key of webhook mode",
        "line 6: identity_template does nothing here: it is a key of crd mode",
    )


def test_the_originals_own_example_is_accepted() -> None:
    found = settings(
        "crd",
        'log_level = "debug"\nagent_socket_path = "/run/spire/sockets/agent.sock"\n'
        "pod_controller = true\nadd_svc_dns_names = true\nwebhook_enabled = true\n"
        'pod_annotation = "spiffe.io/spiffe-id"',
    )
    assert found.pods == PodIdentity("annotation", "spiffe.io/spiffe-id")
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("mode", "more", "expected"),
    [
        ("webhook", "pod_labels = 1", "pod_labels: unknown key; did you mean pod_label?"),
        ("webhook", 'addr = "8443"', 'addr: \'8443\': write ":8443" or "127.0.0.1:8443"'),
        (
            "webhook",
            'pod_label = "a"\npod_annotation = "b"',
            "pod_annotation: cannot be given together with pod_label: keep one of them",
        ),
        (
            "crd",
            'pod_label = "a"\nidentity_template = "b"',
            "identity_template: cannot be given together with pod_label: keep one of them",
        ),
        ("crd", "webhook_port = 70000", "webhook_port: must be from 1 to 65535, it is 70000"),
        ("crd", "context = 1", "context: must be a block of texts by name, not the number 1"),
        (
            "crd",
            'dns_name_templates = "x"',
            'dns_name_templates: must be a list of texts such as ["a", "b"], not the text "x"',
        ),
        (
            "reconcile",
            'controller_name = "a//b"',
            (
                "controller_name: 'a//b': an empty segment cannot stand in the path of a SPIFFE "
                "ID: use segments of letters, digits, '.', '-' and '_', without a slash at the end"
            ),
        ),
    ],
)
def test_a_mistake_names_the_key_and_the_remedy(mode: str, more: str, expected: str) -> None:
    assert complaint(mode, more) == expected


def test_an_unknown_mode_is_refused() -> None:
    (found,) = complaints(REQUIRED + 'mode = "layered"')
    assert found == 'mode: must be one of "webhook", "reconcile", "crd", not the text "layered"'


def test_flags_override_the_keys_of_the_same_name() -> None:
    found = settings("reconcile", 'log_level = "debug"', log_level="error", drift_interval="1m")
    assert found.log_level == "error"
    assert found.drift_interval_seconds == 60
