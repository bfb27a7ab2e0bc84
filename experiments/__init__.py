"""What networks can represent: one question a file, its command and what to expect of it on top."""
