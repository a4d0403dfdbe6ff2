"""What an API server and a webhook need to trust each other, made anew: no input, no output.

An authority signs one certificate for the webhook and one for the API server,
and its key is forgotten. The rest are the documents that carry them to where
they are used.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from api.codec import JSONObject

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEY_ALGORITHMS: Mapping[str, Callable[[], PrivateKey]] = MappingProxyType(
    {
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
        "ec-p224": lambda: ec.generate_private_key(ec.SECP224R1()),
        "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ec-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    }
)
"""How to make a key, by the name of its algorithm."""

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The end of a certificate that has none, by RFC 5280."""

WEBHOOK_PATH = "/validate"
"""Where the API server asks."""

_COMMON_NAME = "K8S WORKLOAD REGISTRAR"
_WEBHOOK_VERSION = "admissionregistration.k8s.io/v1"
_API_SERVER_VERSION = "apiserver.config.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Service:
    """The Service by which the API server calls the webhook."""

    name: str
    namespace: str

    @property
    def host(self) -> str:
        """Its DNS name, the short one: API servers call it by this."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Of each key, a name in ``KEY_ALGORITHMS``."""

    authority: str = "ec-p256"
    server: str = "ec-p256"
    client: str = "ec-p256"


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and private keys, PEM; the server is the webhook, the client the API server."""

    authority: str
    server_certificate: str
    server_key: str
    client_certificate: str
    client_key: str


def make_material(
    service: Service, *, algorithms: Algorithms, now: datetime, ttl: timedelta | None
) -> Material:
    """New material that is good for ``ttl``; with None it never ends."""
    # A minute back: clocks that differ a little must not make it "not yet valid".
    begin, end = now - timedelta(minutes=1), NEVER if ttl is None else now + ttl
    authority = _Authority(algorithms.authority, begin, end)
    server_key = KEY_ALGORITHMS[algorithms.server]()
    client_key = KEY_ALGORITHMS[algorithms.client]()
    names = (service.host, f"{service.host}.cluster.local")
    return Material(
        authority=_certificate_pem(authority.certificate),
        server_certificate=authority.issue(
            server_key, "SERVER", ExtendedKeyUsageOID.SERVER_AUTH, names
        ),
        server_key=_key_pem(server_key),
        client_certificate=authority.issue(client_key, "CLIENT", ExtendedKeyUsageOID.CLIENT_AUTH),
        client_key=_key_pem(client_key),
    )


def config_map(material: Material, service: Service) -> JSONObject:
    """The ConfigMap with what the webhook may show to everybody."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "k8s-workload-registrar-certs", "namespace": service.namespace},
        "data": {
            "server-cert.pem": material.server_certificate,
            "cacert.pem": material.authority,
        },
    }


def secret(material: Material, service: Service) -> JSONObject:
    """The Secret with the webhook's private key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "k8s-workload-registrar-secret", "namespace": service.namespace},
        "type": "Opaque",
        "data": {"server-key.pem": _base64(material.server_key)},
    }


def kubeconfig(material: Material, service: Service) -> JSONObject:
    """The kubeconfig by which the API server knows what to show to this webhook."""
    user: JSONObject = {
        "client-certificate-data": _base64(material.client_certificate),
        "client-key-data": _base64(material.client_key),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": service.host, "user": user}],
    }


def admission_configuration(kubeconfig_path: str) -> JSONObject:
    """The API server's own configuration file, which leads it to the kubeconfig."""
    return {
        "apiVersion": _API_SERVER_VERSION,
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "ValidatingAdmissionWebhook",
                "configuration": {
                    "apiVersion": _API_SERVER_VERSION,
                    "kind": "WebhookAdmissionConfiguration",
                    "kubeConfigFile": kubeconfig_path,
                },
            }
        ],
    }


def webhook_configuration(material: Material, service: Service) -> JSONObject:
    """The object that makes the API server call the webhook.

    The webhook allows everything, and what it misses is swept up later: one
    that is down must not keep Pods from being made.
    """
    return {
        "apiVersion": _WEBHOOK_VERSION,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "k8s-workload-registrar-webhook"},
        "webhooks": [
            {
                "name": service.host,
                "clientConfig": {
                    "service": {
                        "name": service.name,
                        "namespace": service.namespace,
                        "path": WEBHOOK_PATH,
                    },
                    "caBundle": _base64(material.authority),
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "DELETE"],
                        "resources": ["pods"],
                        "scope": "Namespaced",
                    }
                ],
                "admissionReviewVersions": ["v1", "v1beta1"],
                "sideEffects": "NoneOnDryRun",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 5,
            }
        ],
    }


class _Authority:
    """Signs; its key is in memory only, and nobody asks for it."""

    def __init__(self, algorithm: str, begin: datetime, end: datetime) -> None:
        self._key = KEY_ALGORITHMS[algorithm]()
        self._begin, self._end = begin, end
        self._name = _name("CA")
        self.certificate = self._sign(
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )

    def issue(
        self,
        key: PrivateKey,
        role: str,
        usage: x509.ObjectIdentifier,
        dns_names: tuple[str, ...] = (),
    ) -> str:
        """A certificate for somebody's key, PEM."""
        builder = (
            self._builder(_name(role), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(encrypts_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if dns_names:
            names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
            builder = builder.add_extension(names, critical=False)
        return _certificate_pem(self._sign(builder))

    def _builder(self, subject: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
        ours = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begin)
            .not_valid_after(self._end)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key, _hash(self._key))


def _hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """A hash that is as strong as the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384() if key.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def _name(role: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_COMMON_NAME} {role}")])


def _usage(*, signs_certificates: bool = False, encrypts_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=encrypts_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
