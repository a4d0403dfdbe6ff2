"""The demo: what happens on the embedded cluster, and how it is shown."""
