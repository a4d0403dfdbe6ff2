"""SPIRE client: connection, entry mirror, batching writer."""
