"""What controllers are built from: rules without I/O, and the clients of Kubernetes and SPIRE."""
