"""The alerts, tried by Prometheus' own promtool.

Each on series that should make it fire, and all on those of an installation where all is well.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.codec import JSONValue
from api.documents import dump_yaml
from hack.monitoring.alerts import GROUPS, groups
from hack.monitoring.prometheus import Programs
from tests.support.prometheus import need_programs

pytestmark = pytest.mark.slow

ALERTS = [alert for alerts in GROUPS.values() for alert in alerts]
SEEN = '{namespace="spire",job="registrar",pod="a",instance="a"}'
TWIN = '{namespace="spire",job="registrar",pod="b",instance="b"}'
MINUTES = 60
"""How long every case lasts; each alert's patience is over by then."""


@pytest.fixture(scope="module")
def programs() -> Programs:
    return need_programs()


@dataclass(frozen=True)
class Series:
    """A series in promtool's notation: its name, labels besides those of a replica, its values."""

    name: str
    values: str
    labels: str = ""
    replica: str = SEEN

    def shown(self) -> JSONValue:
        labels = self.replica[:-1] + (f",{self.labels}" if self.labels else "") + "}"
        return {"series": f"{self.name}{labels}", "values": self.values}


def flat(value: float) -> str:
    return f"{value}x{MINUTES}"


def growing(each_minute: float) -> str:
    return f"0+{each_minute}x{MINUTES}"


NOT_A_NUMBER = " ".join(["NaN"] * MINUTES)

_CALLS = "spire_registrar_spire_call_seconds_count"
_POD_BUCKET = "spire_registrar_pod_to_entry_seconds_bucket"
_REFRESHES = "spire_registrar_bundle_refreshes_total"
_STATE = "spire_registrar_reflector_state"
_ABNORMAL = "spire_registrar_csi_abnormal_volumes"
_PARTNER = 'trust_domain="partner.test"'

WELL = (
    Series("spire_registrar_entries", flat(100), 'state="desired"'),
    Series("spire_registrar_entries", flat(100), 'state="set"'),
    # A standby counts nothing.
    Series("spire_registrar_entries", flat(0), 'state="desired"', TWIN),
    Series("spire_registrar_entries", flat(0), 'state="set"', TWIN),
    Series(_POD_BUCKET, growing(10), 'le="0.1"'),
    Series(_POD_BUCKET, growing(10), 'le="+Inf"'),
    Series("workqueue_depth", flat(10), 'name="pod"'),
    Series("spire_registrar_deletions_withheld", flat(0)),
    # Somebody tries something by hand.
    Series("spire_registrar_drift_repaired_total", growing(0.05), 'kind="changed"'),
    Series(_CALLS, growing(100), 'method="list",code="OK"'),
    Series(_CALLS, growing(1), 'method="create",code="UNAVAILABLE"'),
    Series(_STATE, flat(1), 'kind="pods",state="watching"'),
    Series(_STATE, flat(0), 'kind="pods",state="missing"'),
    Series("leader_election_master_status", flat(1), 'name="spire-registrar"'),
    Series("leader_election_master_status", flat(0), 'name="spire-registrar"', TWIN),
    Series("spire_registrar_prefix_state", flat(0), 'state="held-by-another"'),
    Series("spire_registrar_webhook_certificate_expiry_timestamp_seconds", flat(86400)),
    Series(
        "spire_registrar_webhook_certificate_expiry_timestamp_seconds",
        NOT_A_NUMBER,
        "",
        TWIN,
    ),
    # One refresh in three fails.
    Series(_REFRESHES, growing(1), f'{_PARTNER},result="failed"'),
    Series(_REFRESHES, growing(2), f'{_PARTNER},result="unchanged"'),
    Series(_REFRESHES, growing(0), f'{_PARTNER},result="changed"'),
    Series("spire_registrar_bundle_keys", flat(1), f'{_PARTNER},use="jwt-svid"'),
    Series("spire_registrar_loop_lag_seconds", flat(0.01)),
    Series(_ABNORMAL, flat(0), 'reason="SVIDExpired"'),
    Series("spire_registrar_csi_agent_up", flat(1)),
    Series("spire_registrar_csi_volumes", flat(0), 'state="waiting"'),
    # A driver that asks no agent.
    Series("spire_registrar_csi_agent_up", NOT_A_NUMBER, "", TWIN),
)
"""An installation of two replicas in which no alert may fire."""

ILL: dict[str, tuple[Series, ...]] = {
    "SpireRegistrarIdentitiesMissing": (
        Series("spire_registrar_entries", flat(100), 'state="desired"'),
        Series("spire_registrar_entries", flat(99), 'state="set"'),
    ),
    "SpireRegistrarSlow": (
        Series(_POD_BUCKET, growing(0), 'le="5"'),
        Series(_POD_BUCKET, growing(10), 'le="10"'),
        Series(_POD_BUCKET, growing(10), 'le="+Inf"'),
    ),
    "SpireRegistrarBacklog": (Series("workqueue_depth", flat(2000), 'name="spireentry"'),),
    "SpireRegistrarDeletionsWithheld": (Series("spire_registrar_deletions_withheld", flat(3)),),
    "SpireRegistrarDrift": (
        Series("spire_registrar_drift_repaired_total", growing(1), 'kind="vanished"'),
    ),
    "SpireRegistrarSpireErrors": (
        Series(_CALLS, growing(10), 'method="list",code="OK"'),
        Series(_CALLS, growing(10), 'method="list",code="UNAVAILABLE"'),
    ),
    "SpireRegistrarUnreadable": (Series(_STATE, flat(1), 'kind="pods",state="broken"'),),
    "SpireRegistrarNoLeader": (
        Series("leader_election_master_status", flat(0), 'name="spire-registrar"'),
        Series("leader_election_master_status", flat(0), 'name="spire-registrar"', TWIN),
    ),
    "SpireRegistrarTwoLeaders": (
        Series("leader_election_master_status", flat(1), 'name="spire-registrar"'),
        Series("leader_election_master_status", flat(1), 'name="spire-registrar"', TWIN),
    ),
    "SpireRegistrarPrefixHeld": (
        Series("spire_registrar_prefix_state", flat(1), 'state="held-by-another"'),
    ),
    "SpireRegistrarWebhookCertificate": (
        Series("spire_registrar_webhook_certificate_expiry_timestamp_seconds", flat(4000)),
    ),
    "SpireRegistrarFederationStale": (
        Series(_REFRESHES, growing(1), f'{_PARTNER},result="failed"'),
        Series(_REFRESHES, growing(0), f'{_PARTNER},result="unchanged"'),
    ),
    "SpireRegistrarNoFederatedKeys": (
        Series("spire_registrar_bundle_keys", flat(0), f'{_PARTNER},use="jwt-svid"'),
    ),
    "SpireRegistrarStarved": (Series("spire_registrar_loop_lag_seconds", flat(3)),),
    "SpireCSISVIDsExpire": (Series(_ABNORMAL, flat(1), 'reason="SVIDExpiring"'),),
    "SpireCSIAgentDown": (Series("spire_registrar_csi_agent_up", flat(0)),),
    "SpireCSIVolumesAbnormal": (Series(_ABNORMAL, flat(1), 'reason="FilesNotWritten"'),),
    "SpireCSIPodsWait": (Series("spire_registrar_csi_volumes", flat(1), 'state="waiting"'),),
}
"""By alert, what makes it fire."""


def fired(programs: Programs, series: Sequence[Series], folder: Path) -> list[str]:
    """Which alerts fire at the end: those for which promtool does not find that none does."""
    (folder / "rules.yaml").write_text(dump_yaml({"groups": groups()}))
    case: JSONValue = {
        "interval": "1m",
        "input_series": [each.shown() for each in series],
        "alert_rule_test": [
            {"eval_time": f"{MINUTES}m", "alertname": alert.name, "exp_alerts": []}
            for alert in ALERTS
        ],
    }
    (folder / "test.yaml").write_text(
        dump_yaml({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]})
    )
    command = [str(programs.promtool), "test", "rules", "test.yaml"]
    tried = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    said = tried.stdout + tried.stderr
    found = [alert.name for alert in ALERTS if f"alertname: {alert.name}," in said]
    assert bool(found) == (tried.returncode != 0), said
    return found


def test_promtool_takes_the_rules(programs: Programs, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(dump_yaml({"groups": groups()}))
    command = [str(programs.promtool), "check", "rules", str(rules)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


def test_nothing_fires_where_all_is_well(programs: Programs, tmp_path: Path) -> None:
    assert fired(programs, WELL, tmp_path) == []


def test_every_alert_is_tried() -> None:
    assert [alert.name for alert in ALERTS] == [*ILL]


@pytest.mark.parametrize("name", ILL)
def test_an_alert_fires_alone_and_for_its_reason(
    programs: Programs, name: str, tmp_path: Path
) -> None:
    found = fired(programs, ILL[name], tmp_path)
    # What is about to expire is abnormal too.
    also = ["SpireCSIVolumesAbnormal"] if name == "SpireCSISVIDsExpire" else []
    assert found == [name, *also]
