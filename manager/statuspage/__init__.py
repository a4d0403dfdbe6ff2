"""The status page: what a registrar does and why, for people with a browser. It only reads."""
