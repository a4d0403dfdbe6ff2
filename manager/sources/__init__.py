"""The sources, kind by kind: which controller works on which keys, and what wakes them."""
