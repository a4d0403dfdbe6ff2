"""A real Kubernetes node in namespaces of its own: kubelet, containerd, and our image."""
