"""The Grafana dashboard, as data: rows of panels, and what each asks Prometheus.

Every query can be narrowed to one namespace by the variable at the top.
"""

import json
from dataclasses import dataclass, field

from api.codec import JSONValue

_HERE = 'namespace=~"$namespace"'
_WIDTH, _HEIGHT = 24, 8
_QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Query:
    """One line of a panel: PromQL, and how its series are named."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel; ``unit`` is Grafana's name of it."""

    title: str
    says: str
    """What one sees there, and what is good: its tooltip."""
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def _quantiles(series: str, *, by: str = "", where: str = "") -> tuple[Query, ...]:
    """Percentiles of a histogram, over what ``by`` names together with its buckets."""
    labels = f"{_HERE}, {where}" if where else _HERE
    together = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        Query(
            f"histogram_quantile({quantile}, sum by ({together}) "
            f"(rate({series}_bucket{{{labels}}}[$__rate_interval])))",
            f"{legend}p{quantile * 100:g}",
        )
        for quantile in _QUANTILES
    )


def _rate(series: str, by: str, where: str = "") -> str:
    labels = f"{_HERE}, {where}" if where else _HERE
    return f"sum by ({by}) (rate({series}{{{labels}}}[$__rate_interval]))"


IDENTITIES = Row(
    "Identities",
    (
        Panel(
            "Entries",
            "What is asked for and what of it the SPIRE server holds: the two lines are one. "
            "Failed and withheld are 0.",
            (Query(f"max by (state) (spire_registrar_entries{{{_HERE}}})", "{{state}}"),),
        ),
        Panel(
            "From a Pod to its entry",
            "From hearing of a Pod to the SPIRE server's answer.",
            _quantiles("spire_registrar_pod_to_entry_seconds"),
            "s",
        ),
        Panel(
            "Put right, withheld, in vain",
            "Entries that somebody else changed; deletions that wait for a person; updates after "
            "which the server held something else.",
            (
                Query(_rate("spire_registrar_drift_repaired_total", "kind"), "{{kind}} a second"),
                Query(f"max(spire_registrar_deletions_withheld{{{_HERE}}})", "withheld"),
                Query(_rate("spire_registrar_updates_in_vain_total", "job"), "in vain a second"),
            ),
        ),
    ),
)

WORK = Row(
    "Work",
    (
        Panel(
            "Work queues",
            "Keys that wait. Records and statuses wait while entries do.",
            (Query(f"sum by (name) (workqueue_depth{{{_HERE}}})", "{{name}}"),),
        ),
        Panel(
            "Waiting in a queue",
            "Nine keys of ten are taken within this time.",
            (
                Query(
                    "histogram_quantile(0.9, sum by (le, name) "
                    f"(rate(workqueue_queue_duration_seconds_bucket{{{_HERE}}}[$__rate_interval])))",
                    "{{name}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Reconciles",
            "A second, by result.",
            (
                Query(
                    _rate("controller_runtime_reconcile_total", "controller, result"),
                    "{{controller}} {{result}}",
                ),
            ),
        ),
    ),
)

SERVERS = Row(
    "The two servers",
    (
        Panel(
            "Calls to the SPIRE server",
            "A second, by method and gRPC code.",
            (
                Query(
                    _rate("spire_registrar_spire_call_seconds_count", "method, code"),
                    "{{method}} {{code}}",
                ),
            ),
        ),
        Panel(
            "Duration of calls to SPIRE",
            "A call with entries takes about a tenth of a second when many wait.",
            _quantiles("spire_registrar_spire_call_seconds", by="method"),
            "s",
        ),
        Panel(
            "Entries in a call",
            "Half of the calls have fewer.",
            (
                Query(
                    "histogram_quantile(0.5, sum by (le, method) "
                    f"(rate(spire_registrar_spire_batch_size_bucket{{{_HERE}}}[$__rate_interval])))",
                    "{{method}}",
                ),
            ),
        ),
        Panel(
            "Calls to the Kubernetes API",
            "A second, by method and status; 409 and 429 are repeated.",
            (Query(_rate("rest_client_requests_total", "method, code"), "{{method}} {{code}}"),),
        ),
        Panel(
            "Duration of calls to the Kubernetes API",
            "Until the answer begins.",
            _quantiles("spire_registrar_kube_call_seconds", by="method"),
            "s",
        ),
        Panel(
            "Lists and watches",
            "The state of each kind that is read: watching is good.",
            (
                Query(
                    f"max by (kind, state) (spire_registrar_reflector_state{{{_HERE}}}) > 0",
                    "{{kind}} {{state}}",
                ),
            ),
        ),
    ),
)

PROCESS = Row(
    "Replicas",
    (
        Panel(
            "Who leads",
            "One replica of each Lease.",
            (
                Query(
                    f"max by (pod, name) (leader_election_master_status{{{_HERE}}})",
                    "{{pod}} {{name}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "The resident set of each replica and node driver.",
            (
                Query(
                    f"max by (pod) (process_resident_memory_bytes{{{_HERE}}} and on (instance) "
                    "spire_registrar_loop_lag_seconds)",
                    "{{pod}}",
                ),
            ),
            "bytes",
        ),
        Panel(
            "Processor, and how late the event loop is",
            "Cores; and seconds, which should stay far below one.",
            (
                Query(
                    f"max by (pod) (rate(process_cpu_seconds_total{{{_HERE}}}[$__rate_interval]) "
                    "and on (instance) spire_registrar_entries)",
                    "{{pod}} cores",
                ),
                Query(
                    f"max by (pod) (spire_registrar_loop_lag_seconds{{{_HERE}}})", "{{pod}} late, s"
                ),
            ),
        ),
    ),
)

FEDERATION = Row(
    "Federation",
    (
        Panel(
            "Age of bundles",
            "Since a partner's bundle was last fetched: at most the bundleRefreshInterval.",
            (
                Query(
                    "time() - max by (trust_domain) "
                    f"(spire_registrar_bundle_last_success_timestamp_seconds{{{_HERE}}} > 0)",
                    "{{trust_domain}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Keys",
            "Valid keys of each partner that the server holds.",
            (
                Query(
                    f"max by (trust_domain, use) (spire_registrar_bundle_keys{{{_HERE}}})",
                    "{{trust_domain}} {{use}}",
                ),
            ),
        ),
        Panel(
            "Refreshes",
            "A second, by result.",
            (
                Query(
                    _rate("spire_registrar_bundle_refreshes_total", "trust_domain, result"),
                    "{{trust_domain}} {{result}}",
                ),
            ),
        ),
    ),
)

DRIVER = Row(
    "Node driver",
    (
        Panel(
            "Volumes",
            "On all nodes, by state.",
            (Query(f"sum by (state) (spire_registrar_csi_volumes{{{_HERE}}})", "{{state}}"),),
        ),
        Panel(
            "Troubles",
            "Volumes that something is wrong with, by the reason of the Event on their Pod.",
            (
                Query(
                    f"sum by (reason) (spire_registrar_csi_abnormal_volumes{{{_HERE}}})",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "First SVID to expire",
            "On each node, in seconds.",
            (
                Query(
                    f"min by (instance) (spire_registrar_csi_nearest_expiry_seconds{{{_HERE}}})",
                    "{{instance}}",
                ),
            ),
            "s",
        ),
        Panel(
            "From the kubelet's call to the files",
            "What a Pod waits for its identity when it starts.",
            _quantiles("spire_registrar_csi_first_svid_seconds"),
            "s",
        ),
        Panel(
            "From a new SVID to the files",
            "Rotation.",
            _quantiles("spire_registrar_csi_write_seconds"),
            "s",
        ),
        Panel(
            "Agents",
            "1 where the node's agent answers.",
            (
                Query(
                    f"min by (instance) (spire_registrar_csi_agent_up{{{_HERE}}})", "{{instance}}"
                ),
            ),
        ),
    ),
)

ROWS = (IDENTITIES, WORK, SERVERS, PROCESS, FEDERATION, DRIVER)


def render_dashboard() -> str:
    """The dashboard, as JSON that Grafana imports."""
    document: JSONValue = {
        "title": "spire-registrar",
        "uid": "spire-registrar",
        "tags": ["spire", "spiffe"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "namespace",
                    "label": "Namespace",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": "label_values(process_start_time_seconds, namespace)",
                    "includeAll": True,
                    "allValue": ".*",
                    "multi": True,
                    "refresh": 2,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": _panels(),
    }
    return json.dumps(document, indent=2) + "\n"


_SOURCE: JSONValue = {"type": "prometheus", "uid": "${datasource}"}


def _panels() -> list[JSONValue]:
    """Rows and panels with their places, from the top left to the bottom right."""
    panels: list[JSONValue] = []
    top = 0
    for row in ROWS:
        place: JSONValue = {"h": 1, "w": _WIDTH, "x": 0, "y": top}
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "gridPos": place,
                "panels": [],
            }
        )
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > _WIDTH:
                top, left = top + _HEIGHT, 0
            panels.append(_panel(panel, len(panels) + 1, left, top))
            left += panel.width
        top += _HEIGHT
    return panels


def _panel(panel: Panel, number: int, left: int, top: int) -> JSONValue:
    targets: list[JSONValue] = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
        }
        for index, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": panel.width, "x": left, "y": top},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": targets,
    }
