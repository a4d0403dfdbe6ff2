"""The page of docs that lists the alerts, and what the dashboard shows."""

from hack.monitoring.alerts import GROUPS, RUNBOOK
from hack.monitoring.dashboard import ROWS

_HEAD = """\
<!-- Generated from hack/monitoring; edit that instead. -->
# Alerts and the dashboard

`config/prometheus` is a kustomize component for clusters with the Prometheus operator: two
PodMonitors, and the PrometheusRule with the alerts below. `config/prometheus/dashboard.json` is a
dashboard for Grafana: import it, or put it into a ConfigMap that Grafana's sidecar reads. Both ask
for the [metrics](metrics.md) of this version.

Without the operator, `spec` of `config/prometheus/rules.yaml` is a file for Prometheus'
`rule_files`. What is scraped should have the labels `namespace`, `pod` and `job`, as with the
operator: replicas of one installation are joined by them.

The PodMonitor finds a registrar by the label `spire-registrar.spiffe.io/registrar: "true"` of its
Pods: give it to them in manifests of your own.

An alert for what you do not use, such as federation or the node driver, has no series and never
fires.

## Alerts
"""


def render_page() -> str:
    """The page as Markdown."""
    lines = [_HEAD]
    for name, alerts in GROUPS.items():
        lines += [f"### {name}", "", "| Alert | For | Severity | It means | What to do |"]
        lines.append("|---|---|---|---|---|")
        for alert in alerts:
            link = f"[{alert.remedy}](../{RUNBOOK.rpartition('/')[2]}#{alert.anchor})"
            cells = (f"`{alert.name}`", alert.after, alert.severity, _shown(alert.says), link)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += ["## The dashboard", "", "| Row | Panel | What one sees |", "|---|---|---|"]
    lines += [
        f"| {row.title} | {panel.title} | {panel.says} |" for row in ROWS for panel in row.panels
    ]
    return "\n".join(lines) + "\n"


def _shown(template: str) -> str:
    """The sentence of an alert with its templates as a reader may take them: ``{{ x }}`` is …."""
    shown, rest = "", template
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        inner, _, rest = rest.partition("}}")
        label = inner.strip().partition("$labels.")[2]
        shown += before + (f"*{label}*" if label else "*N*")
    return shown + rest
