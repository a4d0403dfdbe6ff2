"""What the programs call themselves."""

USER_AGENT = "spire-registrar"
"""To the Kubernetes API, and as the source of Events."""
