"""What the API takes and gives: the one source of its schema."""
