"""A real one-node Kubernetes for tests and demonstrations, from binaries and images built here."""
