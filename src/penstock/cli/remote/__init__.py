"""The commands that a service elsewhere can answer: `penstock --server URL`, over its HTTP API."""
