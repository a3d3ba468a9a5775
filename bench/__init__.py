"""Measurements of Penstock beside the tutorial's loop and the standard library: `python -m bench`."""
