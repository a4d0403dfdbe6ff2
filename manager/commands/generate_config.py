"""``spire-registrar generate-config``: certificates and documents for the webhook mode."""

import argparse
import sys
from pathlib import Path

from manager.commands.configuration import EXIT_CONFIGURATION
from registrar.errors import InvalidField

KUBECONFIG = "/etc/kubernetes/k8s-workload-registrar-webhook.kubeconfig"

_ALGORITHMS = "rsa-2048, rsa-4096, ec-p224, ec-p256, ec-p384, ec-p521"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "generate-config",
        help="make the certificates and documents of the webhook mode",
        description="Make certificates by which the API server and the registrar's webhook prove "
        "themselves to each other, and the documents that carry them to where they are used. "
        "Nothing is changed in a cluster. The certificate authority's private key is never "
        "written: for other certificates run this again and replace all of them. The output has "
        "the other private keys in it. Exit code 2 for a mistake in a flag.",
    )
    for name, default, meaning in (
        ("namespace", "spire", "namespace of the registrar"),
        ("service", "k8s-workload-registrar", "Service of the registrar"),
        ("ca-key-alg", "ec-p256", f"algorithm of the authority's key: {_ALGORITHMS}"),
        ("server-key-alg", "ec-p256", "algorithm of the registrar's key"),
        ("client-key-alg", "ec-p256", "algorithm of the API server's key"),
        ("ttl", "8760h", "life of the certificates, 0 for ever"),
        ("kubeconfig-path", KUBECONFIG, "where the API server will find its kubeconfig"),
    ):
        parser.add_argument(
            f"--{name}",
            default=default,
            metavar=name.rsplit("-", 1)[-1].upper(),
            help=f"{meaning} (default: {default})",
        )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="write separate files into this folder (default: one stream to standard output)",
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    # Only here: the other commands need not carry this.
    from manager.webhookconfig import generate, warnings  # noqa: PLC0415

    try:
        print(generate(arguments), end="")
    except InvalidField as error:
        print(f"spire-registrar: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    for warning in warnings(arguments):
        print(f"spire-registrar: {warning}", file=sys.stderr)
    return 0
