"""A real Kubernetes node on this machine, in namespaces of its own: kubelet, containerd, our image."""
