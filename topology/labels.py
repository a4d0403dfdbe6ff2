"""The labels by which everything of a topology is found, and what its parts are called."""

PART_OF_KEY = "app.kubernetes.io/part-of"
PART_OF = "spire-topology"
"""The label ``PART_OF_KEY`` of everything that belongs to a topology, after its prefix."""

NAME = "app.kubernetes.io/name"
SERVER = "topology.spire.io/server"
UPSTREAM = "topology.spire.io/upstream"
MODULE = "topology.spire.io/module"

SPIRE_SERVER = "spire-server"
SPIRE_AGENT = "spire-agent"
REGISTRAR = "spire-registrar"
CHECK = "topology-check"
"""Values of ``NAME``. The Pods of tests come and go, and say nothing of a module's health."""
