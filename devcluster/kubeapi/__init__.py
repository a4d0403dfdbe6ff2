"""The embedded Kubernetes API: small, in memory, checked against the real server.

Start at `server.py` (the handle that tests and the demo hold), then `routes.py` (what a
request means), `objects.py` (the life of an object) and `storage.py` (revisions).

Rules of a CRD are evaluated where `rules.py` knows them; see there for what it leaves out.
"""
