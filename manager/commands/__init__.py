"""One module per subcommand of ``spire-registrar``."""
