"""What may be asked, by what it is about."""
