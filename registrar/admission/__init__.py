"""Admission webhooks: reviews, the HTTPS server, its certificate, and who trusts it."""
