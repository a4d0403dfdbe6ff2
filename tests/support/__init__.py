"""What several test folders build on: fixtures, builders, waiting."""
