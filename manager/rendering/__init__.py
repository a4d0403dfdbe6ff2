"""What `spire-registrar render` shows: templates, rendered for Pods by the registrar's rules."""
