"""Ready-made tasks that wait, each without holding a worker: for a time, a file, a URL, another run, a message."""
