"""Values of the SPIFFE world: IDs, selectors, registration entries. No input or output."""
