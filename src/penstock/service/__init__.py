"""The service: `penstock serve` finds the workflows of a folder, runs each when it is due, and takes over what died."""
