"""The audit log of a kube-apiserver: every call of a service account, and whether RBAC allowed it.

For the control plane of tests and for the node of `make cluster`; tests hold the rights in the
manifests against it.
"""

import json
from pathlib import Path

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # A call is told when it is answered; a watch when it begins, and at its end.
    "omitStages": ["RequestReceived"],
    "rules": [
        # Kubernetes' own controllers are many, and not ours to judge.
        {
            "level": "None",
            "userGroups": ["system:serviceaccounts:kube-system"],
        },
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


def log_of(folder: Path) -> Path:
    """Return where the log of the API server lies whose folder this is."""
    return folder / "audit.log"


def arguments(folder: Path) -> list[str]:
    """Write the policy into a folder; return what kube-apiserver must be told."""
    policy = folder / "audit-policy.json"
    policy.write_text(json.dumps(_POLICY), encoding="utf-8")
    return [f"--audit-policy-file={policy}", f"--audit-log-path={log_of(folder)}"]
