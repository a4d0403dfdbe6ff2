"""Which object claims which entry, and what follows from it. Rules only, no I/O."""
