"""Why a Pod has an identity or has none, by what a rehearsed start of the registrar found."""
