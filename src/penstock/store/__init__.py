"""What survives: the journals of runs, who drives them, and what was asked of them."""
