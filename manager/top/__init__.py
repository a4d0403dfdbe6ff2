"""A live view of a running registrar, by its metrics and the records of its entries."""
