"""What the files of all registrars say alike: the settings that have a row in the alias table."""

from collections.abc import Callable

from registrar.settings import keys
from registrar.settings.hcl import Scalar
from registrar.settings.hcltokens import Position
from registrar.settings.kinds import Key
from registrar.settings.model import (
    DeletionBudget,
    LeaderElection,
    PodIdentity,
    Settings,
    SpireAddress,
)
from registrar.settings.reader import Reader
from registrar.settings.values import Wrong, lease_name

_NOWHERE = Position(1, 1)


def shared_settings(reader: Reader, spire: Callable[[Reader], SpireAddress]) -> Settings:
    """The settings that every tool has; what only one has is added by that one's module.

    ``spire`` reads where the server is, which each tool has its own rules for.
    """
    return Settings(
        cluster=reader.get(keys.CLUSTER),
        trust_domain=reader.get(keys.TRUST_DOMAIN),
        spire=spire(reader),
        class_name=reader.get(keys.CLASS_NAME),
        entry_id_prefix=reader.get(keys.ENTRY_ID_PREFIX),
        adoption_policy=reader.get(keys.ADOPTION_POLICY),
        drift_interval_seconds=reader.get(keys.DRIFT_INTERVAL),
        deletion_budget=DeletionBudget(
            count=reader.get(keys.BUDGET_COUNT),
            fraction=reader.get(keys.BUDGET_FRACTION),
            allow_mass_deletion=reader.get(keys.ALLOW_MASS_DELETION),
        ),
        metrics_addr=reader.get(keys.METRICS),
        status_page_addr=reader.get(keys.STATUS_PAGE),
        log_level=reader.get(keys.LOG_LEVEL),
        log_format=reader.get(keys.LOG_FORMAT),
        log_path=reader.get(keys.LOG_PATH),
        tracing=reader.get(keys.TRACING),
        kubeconfig=reader.get(keys.KUBECONFIG),
    )


def pod_identity(reader: Reader) -> PodIdentity:
    """How Pods are identified: by label or annotation, not both, else by service account."""
    label, annotation = reader.get(keys.POD_LABEL), reader.get(keys.POD_ANNOTATION)
    disabled = reader.get(keys.DISABLED)
    if reader.given(keys.POD_LABEL) and reader.given(keys.POD_ANNOTATION):
        reader.report_key(
            keys.POD_ANNOTATION, "cannot be given together with pod_label: keep one of them"
        )
    if label:
        return PodIdentity("label", label, disabled)
    if annotation:
        return PodIdentity("annotation", annotation, disabled)
    return PodIdentity("service_account", "", disabled)


def leader_election(
    reader: Reader, default_name: str, *, named_by: Key[object]
) -> LeaderElection | None:
    """The Lease, or None without leader election; its keys are checked all the same.

    ``named_by`` is the key that the default name is made of.
    """
    name = reader.get(keys.LEASE)
    before = len(reader.problems)
    election = LeaderElection(
        namespace=reader.get(keys.LEASE_NAMESPACE),
        name=default_name if name is None else name,
        lease_seconds=reader.get(keys.LEASE_DURATION),
        renew_deadline_seconds=reader.get(keys.RENEW_DEADLINE),
        retry_seconds=reader.get(keys.RETRY_PERIOD),
    )
    if len(reader.problems) == before:
        _check_order(reader, election)
    if not reader.get(keys.LEADER_ELECTION):
        return None
    if name is None:
        try:
            lease_name(Scalar(default_name, _NOWHERE))
        except Wrong:
            reader.report_key(
                named_by,
                f"makes {default_name!r}, which cannot be the name of a Lease: give "
                f"{reader.name(keys.LEASE)}",
            )
    return election


def _check_order(reader: Reader, election: LeaderElection) -> None:
    """A leader must stop before another begins, and have a second try before it stops."""
    lease, renew = election.lease_seconds, election.renew_deadline_seconds
    if renew >= lease:
        reader.report_key(
            keys.RENEW_DEADLINE,
            f"{renew:g} s is not less than the lease duration of {lease:g} s: make it shorter, or "
            f"{reader.name(keys.LEASE_DURATION)} longer",
        )
    if election.retry_seconds >= renew:
        reader.report_key(
            keys.RETRY_PERIOD,
            f"{election.retry_seconds:g} s is not less than the renew deadline of {renew:g} s: "
            f"make it shorter, or {reader.name(keys.RENEW_DEADLINE)} longer",
        )
