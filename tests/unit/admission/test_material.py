"""Certificates, keys and documents for an API server and a webhook that trust each other."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from registrar.admission.material import (
    KEY_ALGORITHMS,
    NEVER,
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

SERVICE = Service("registrar", "identity")
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = ["registrar.identity.svc", "registrar.identity.svc.cluster.local"]


def made(algorithms: Algorithms | None = None, ttl: timedelta | None = None) -> Material:
    return make_material(SERVICE, algorithms=algorithms or Algorithms(), now=NOW, ttl=ttl)


def read(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def certificates(material: Material) -> dict[str, x509.Certificate]:
    return {
        "CA": read(material.authority),
        "SERVER": read(material.server_certificate),
        "CLIENT": read(material.client_certificate),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_server_is_verified_by_each_of_its_names(name: str) -> None:
    found = certificates(made())
    policy = PolicyBuilder().store(Store([found["CA"]])).time(NOW)
    chain = policy.build_server_verifier(x509.DNSName(name)).verify(found["SERVER"], [])
    assert chain == [found["SERVER"], found["CA"]]


def test_the_server_is_not_verified_by_another_name_or_authority() -> None:
    found, other = certificates(made()), certificates(made())
    for authority, name in ((found["CA"], "registrar.other.svc"), (other["CA"], NAMES[0])):
        policy = PolicyBuilder().store(Store([authority])).time(NOW)
        with pytest.raises(VerificationError):
            policy.build_server_verifier(x509.DNSName(name)).verify(found["SERVER"], [])


def test_names_and_purposes() -> None:
    found = certificates(made())
    for role, certificate in found.items():
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == f"K8S WORKLOAD REGISTRAR {role}"
        assert certificate.issuer == found["CA"].subject
    for role, purpose in (
        ("SERVER", ExtendedKeyUsageOID.SERVER_AUTH),
        ("CLIENT", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        purposes = found[role].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(purposes) == [purpose]
    names = found["SERVER"].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES


def test_only_the_authority_may_sign_certificates() -> None:
    for role, certificate in certificates(made()).items():
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        signs = role == "CA"
        assert basic.critical
        assert usage.critical
        assert basic.value.ca is signs
        assert (usage.value.key_cert_sign, usage.value.crl_sign) == (signs, signs)
        assert usage.value.digital_signature is not signs


def test_each_names_its_key_and_that_of_its_authority() -> None:
    found = certificates(made())
    extensions = found["CA"].extensions
    authority = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    identifiers = set()
    for certificate in found.values():
        extensions = certificate.extensions
        issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert issuer.key_identifier == authority
        own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert own == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        identifiers.add(own.digest)
    assert len(identifiers) == 3


def test_serial_numbers_are_random() -> None:
    both = (*certificates(made()).values(), *certificates(made()).values())
    assert len({certificate.serial_number for certificate in both}) == 6
    assert all(certificate.serial_number.bit_length() > 64 for certificate in both)


@pytest.mark.parametrize(
    ("ttl", "end"),
    [(timedelta(hours=8760), datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)), (None, NEVER)],
)
def test_all_begin_a_minute_ago_and_end_together(ttl: timedelta | None, end: datetime) -> None:
    for certificate in certificates(made(ttl=ttl)).values():
        assert certificate.not_valid_before_utc == datetime(2030, 1, 2, 3, 3, 5, tzinfo=UTC)
        assert certificate.not_valid_after_utc == end


def test_never_is_what_the_standard_says() -> None:
    assert NEVER.strftime("%Y%m%d%H%M%SZ") == "99991231235959Z"


SIZES = {"rsa-2048": 2048, "rsa-4096": 4096, "ec-p224": 224, "ec-p256": 256} | {
    "ec-p384": 384,
    "ec-p521": 521,
}


def test_every_algorithm_is_tested() -> None:
    assert SIZES.keys() == KEY_ALGORITHMS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", SIZES)
def test_each_algorithm_for_each_key(algorithm: str) -> None:
    material = made(Algorithms(authority=algorithm, server=algorithm, client=algorithm))
    found = certificates(material)
    for role, certificate in found.items():
        certificate.verify_directly_issued_by(found["CA"])
        key = certificate.public_key()
        kind = rsa.RSAPublicKey if algorithm.startswith("rsa") else ec.EllipticCurvePublicKey
        assert isinstance(key, kind), role
        assert key.key_size == SIZES[algorithm]
    for pem, role in ((material.server_key, "SERVER"), (material.client_key, "CLIENT")):
        assert pem.startswith("-----BEGIN PRIVATE KEY-----\n")
        private = load_pem_private_key(pem.encode(), None)
        assert private.public_key() == found[role].public_key()


def test_each_key_has_its_own_algorithm() -> None:
    found = certificates(made(Algorithms(authority="ec-p521", server="ec-p384", client="ec-p224")))
    sizes = {}
    for role, certificate in found.items():
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        sizes[role] = key.key_size
    assert sizes == {"CA": 521, "SERVER": 384, "CLIENT": 224}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_documents_carry_each_part_to_where_it_is_used() -> None:
    material = made()
    assert config_map(material, SERVICE)["data"] == {
        "server-cert.pem": material.server_certificate,
        "cacert.pem": material.authority,
    }
    assert secret(material, SERVICE)["data"] == {"server-key.pem": encoded(material.server_key)}
    assert kubeconfig(material, SERVICE)["users"] == [
        {
            "name": "registrar.identity.svc",
            "user": {
                "client-certificate-data": encoded(material.client_certificate),
                "client-key-data": encoded(material.client_key),
            },
        }
    ]


def test_the_api_server_is_led_to_the_kubeconfig() -> None:
    assert admission_configuration("/etc/k") == {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "ValidatingAdmissionWebhook",
                "configuration": {
                    "apiVersion": "apiserver.config.k8s.io/v1",
                    "kind": "WebhookAdmissionConfiguration",
                    "kubeConfigFile": "/etc/k",
                },
            }
        ],
    }


def test_the_webhook_hears_of_pods_and_never_stops_one() -> None:
    material = made()
    assert webhook_configuration(material, SERVICE) == {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "k8s-workload-registrar-webhook"},
        "webhooks": [
            {
                "name": "registrar.identity.svc",
                "clientConfig": {
                    "service": {
                        "name": "registrar",
                        "namespace": "identity",
                        "path": "/validate",
                    },
                    "caBundle": encoded(material.authority),
                },
                "admissionReviewVersions": ["v1", "v1beta1"],
                "sideEffects": "NoneOnDryRun",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 5,
                "rules": [
                    {
                        "operations": ["CREATE", "DELETE"],
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["pods"],
                        "scope": "Namespaced",
                    }
                ],
            }
        ],
    }
