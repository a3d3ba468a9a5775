"""From a callable to a reference that another process can load, and back."""
