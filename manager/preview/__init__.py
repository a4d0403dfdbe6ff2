"""What a registrar would do, found out by its own code: the commands plan and explain show it."""
