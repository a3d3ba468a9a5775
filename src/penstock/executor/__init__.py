"""Where user code runs: in the calling thread, in threads, in processes."""
