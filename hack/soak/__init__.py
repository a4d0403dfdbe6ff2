"""The soak: random work in every mode while faults come, and a judge who knows nothing of us.

`python -m hack.soak` runs it. It starts a real kube-apiserver with etcd and a real SPIRE server,
runs `spire-registrar run` as processes of their own behind proxies that make trouble, and judges
what is there by what people asked for. A run is repeatable by its seed; see `plan`.
"""
