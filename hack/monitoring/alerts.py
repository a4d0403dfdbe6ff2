"""The alerts, as data: what each asks Prometheus, what it means and what to do.

Series of replicas are joined by ``namespace`` and ``job``, which Prometheus adds to what it
scrapes: those of one installation have both in common. A replica that does not lead shows 0.
"""

from dataclasses import dataclass
from typing import Literal

from api.codec import JSONValue
from api.documents import dump_yaml

RUNBOOK = "docs/runbook.md"
"""The page that every alert names."""

EACH = "namespace, job"
"""One installation."""

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Alert:
    """One alert. ``after`` is how long the expression must hold, in Prometheus' notation."""

    name: str
    expression: str
    after: str
    severity: Severity
    says: str
    """One sentence, with Prometheus' templates."""
    remedy: str
    """What to do, in a sentence or two."""
    anchor: str
    """The section of the runbook."""


def _sum_of_increase(series: str, window: str, by: str = EACH) -> str:
    return f"sum by ({by}) (increase({series}[{window}]))"


_MISSING = (
    f"max by ({EACH}) ("
    'spire_registrar_entries{state="desired"} - ignoring (state) '
    'spire_registrar_entries{state="set"})'
)
POD_TO_ENTRY_P99 = (
    "histogram_quantile(0.99, sum by (namespace, job, le) ("
    "rate(spire_registrar_pod_to_entry_seconds_bucket[10m])))"
)
SPIRE_ERRORS = (
    f'sum by ({EACH}) (rate(spire_registrar_spire_call_seconds_count{{code!="OK"}}[10m])) / '
    f"sum by ({EACH}) (rate(spire_registrar_spire_call_seconds_count[10m]))"
)

REGISTRAR = (
    Alert(
        "SpireRegistrarIdentitiesMissing",
        f"{_MISSING} > 0",
        "5m",
        "critical",
        "{{ $value }} entries that are asked for are not on the SPIRE server as they should be.",
        "Their objects, or the Events of their Pods, say why.",
        "a-workload-has-no-identity",
    ),
    Alert(
        "SpireRegistrarSlow",
        f"{POD_TO_ENTRY_P99} > 5",
        "10m",
        "warning",
        "One in a hundred Pods waits more than {{ $value | humanizeDuration }} for its entry.",
        "Look whether the SPIRE server uses a whole core, and how long its calls take.",
        "entries-come-slowly-when-there-are-many",
    ),
    Alert(
        "SpireRegistrarBacklog",
        f'sum by ({EACH}, name) (workqueue_depth{{name=~"pod|spireentry"}}) > 1000',
        "10m",
        "warning",
        "{{ $value }} keys wait in the work queue {{ $labels.name }}.",
        "Look whether the SPIRE server uses a whole core, and how long its calls take.",
        "entries-come-slowly-when-there-are-many",
    ),
    Alert(
        "SpireRegistrarDeletionsWithheld",
        f"max by ({EACH}) (spire_registrar_deletions_withheld) > 0",
        "5m",
        "warning",
        "{{ $value }} deletions wait for a person's word: much was deleted at once.",
        "Find out what deleted the objects; if it was meant, confirm it.",
        "deletions-are-withheld",
    ),
    Alert(
        "SpireRegistrarDrift",
        f"{_sum_of_increase('spire_registrar_drift_repaired_total', '30m')} > 5",
        "30m",
        "warning",
        "Somebody else keeps changing our entries on the SPIRE server: "
        "{{ $value | humanize }} were put right in half an hour.",
        "Find who writes there: another registrar, or a script.",
        "foreign-entries",
    ),
    Alert(
        "SpireRegistrarSpireErrors",
        f"{SPIRE_ERRORS} > 0.1",
        "10m",
        "critical",
        "{{ $value | humanizePercentage }} of the calls to the SPIRE server fail.",
        "Ask /readyz?verbose for the server's last error, and look into its log.",
        "the-spire-server-is-not-reached-or-the-wrong-replica-leads",
    ),
    Alert(
        "SpireRegistrarUnreadable",
        f'max by ({EACH}, kind) (spire_registrar_reflector_state{{state=~"missing|broken"}}) > 0',
        "10m",
        "warning",
        "Objects of the kind {{ $labels.kind }} cannot be read, so entries for them stay as they "
        "are.",
        "Install the kind, or give the registrar's role the right to it; the log names both.",
        "entries-stay-though-nothing-asks-for-them",
    ),
    Alert(
        "SpireRegistrarNoLeader",
        f"sum by ({EACH}, name) (leader_election_master_status) == 0",
        "2m",
        "critical",
        "No replica holds the Lease {{ $labels.name }}: nothing is written.",
        "Look into the replicas' logs, and who holds the Lease.",
        "the-spire-server-is-not-reached-or-the-wrong-replica-leads",
    ),
    Alert(
        "SpireRegistrarTwoLeaders",
        f"sum by ({EACH}, name) (leader_election_master_status) > 1",
        "1m",
        "critical",
        "{{ $value }} replicas believe that they hold the Lease {{ $labels.name }}.",
        "Look whether the clocks of their nodes agree; restart all of them but one.",
        "the-spire-server-is-not-reached-or-the-wrong-replica-leads",
    ),
    Alert(
        "SpireRegistrarPrefixHeld",
        f'max by ({EACH}) (spire_registrar_prefix_state{{state="held-by-another"}}) > 0',
        "2m",
        "critical",
        "Another registrar has the prefix of this one's entry IDs, so this one writes nothing.",
        "Give one of the two another entry_id_prefix; the Lease in kube-public names the other.",
        "not-ready",
    ),
    Alert(
        "SpireRegistrarWebhookCertificate",
        f"min by ({EACH}) (spire_registrar_webhook_certificate_expiry_timestamp_seconds)"
        " - time() < 3600",
        "1m",
        "critical",
        "The certificate of the webhook ends in {{ $value | humanizeDuration }}.",
        "Ask /readyz?verbose why there is no new one; one from files must be replaced.",
        "not-ready",
    ),
    Alert(
        "SpireRegistrarFederationStale",
        _sum_of_increase(
            'spire_registrar_bundle_refreshes_total{result="failed"}',
            "15m",
            f"{EACH}, trust_domain",
        )
        + " >= 3 unless "
        + _sum_of_increase(
            'spire_registrar_bundle_refreshes_total{result!="failed"}',
            "15m",
            f"{EACH}, trust_domain",
        )
        + " > 0",
        "1m",
        "warning",
        "The bundle of {{ $labels.trust_domain }} was not fetched for a quarter of an hour.",
        "The condition BundleFresh of its ClusterFederatedTrustDomain has the server's words.",
        "a-bundle-is-not-fresh",
    ),
    Alert(
        "SpireRegistrarNoFederatedKeys",
        f"max by ({EACH}, trust_domain, use) (spire_registrar_bundle_keys) == 0",
        "5m",
        "warning",
        "The SPIRE server holds no {{ $labels.use }} key of {{ $labels.trust_domain }}: nothing "
        "that this trust domain signs is valid here.",
        "The condition BundleFresh of its ClusterFederatedTrustDomain has the server's words.",
        "a-bundle-is-not-fresh",
    ),
    Alert(
        "SpireRegistrarStarved",
        f"max by ({EACH}) (spire_registrar_loop_lag_seconds) > 1",
        "5m",
        "warning",
        "A replica gets too little processor time: it is {{ $value | humanizeDuration }} late.",
        "Give its container more CPU, or find what else uses the node.",
        "the-process-ended-with-exit-code-75",
    ),
)

DRIVER = (
    Alert(
        "SpireCSISVIDsExpire",
        f"sum by ({EACH}, instance, reason) ("
        'spire_registrar_csi_abnormal_volumes{reason=~"SVIDExpiring|SVIDExpired"}) > 0',
        "1m",
        "critical",
        "{{ $value }} volumes on a node are about to lose their identity, or have lost it.",
        "The Events of their Pods, and the log of that node's agent, say why.",
        "a-pods-files-are-old",
    ),
    Alert(
        "SpireCSIAgentDown",
        f"min by ({EACH}, instance) (spire_registrar_csi_agent_up) == 0",
        "5m",
        "critical",
        "The SPIRE agent of a node does not answer, or refuses the driver.",
        "Look into that agent's log; the driver's /readyz?verbose has what it answered.",
        "a-pods-files-are-old",
    ),
    Alert(
        "SpireCSIVolumesAbnormal",
        f"sum by ({EACH}, instance, reason) (spire_registrar_csi_abnormal_volumes) > 0",
        "15m",
        "warning",
        "{{ $value }} volumes on a node have the trouble {{ $labels.reason }}.",
        "The Event of that name on their Pods says what to do.",
        "a-pods-files-are-old",
    ),
    Alert(
        "SpireCSIPodsWait",
        f'sum by ({EACH}, instance) (spire_registrar_csi_volumes{{state="waiting"}}) > 0',
        "5m",
        "warning",
        "{{ $value }} Pods on a node do not start: their volumes wait for an SVID.",
        "Look whether their entries are there, and whether their parent is that node's agent.",
        "a-workload-has-no-identity",
    ),
)

GROUPS = {"spire-registrar": REGISTRAR, "csi-spire": DRIVER}


def groups() -> JSONValue:
    """The groups as Prometheus reads them from a file."""
    return [
        {"name": name, "rules": [_rule(alert) for alert in alerts]}
        for name, alerts in GROUPS.items()
    ]


def render_rules() -> str:
    """The PrometheusRule, as YAML."""
    return dump_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": "spire-registrar",
                "namespace": "spire",
                "labels": {"app.kubernetes.io/name": "spire-registrar"},
            },
            "spec": {"groups": groups()},
        }
    )


def _rule(alert: Alert) -> JSONValue:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.after,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.says,
            "description": alert.remedy,
            "runbook": f"{RUNBOOK}#{alert.anchor}",
        },
    }
