"""What `spire-registrar doctor` looks at: each check reads, and says what it found."""
