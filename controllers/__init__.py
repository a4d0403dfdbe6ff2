"""One short file per reconciled kind: gather, plan, apply, status. The rules live below."""
