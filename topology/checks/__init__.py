"""What the tests of the modules assert, by what a workload sees and what Kubernetes says."""
