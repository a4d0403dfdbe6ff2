"""The ``csi.spire.io`` node driver: SVIDs of a node's Pods as files in their volumes."""
