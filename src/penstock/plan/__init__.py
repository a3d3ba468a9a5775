"""What the engine reads: a workflow compiled once, checked, numbered and serialisable, with a fingerprint."""
