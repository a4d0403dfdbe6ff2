"""Random walks through a mode, against a plain model of what the SPIRE server should hold."""
