"""What attempts print and log: kept per attempt, in append-only segments with an index, or in memory."""
