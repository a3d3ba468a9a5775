"""Listeners that are told what happened to a run, and change nothing."""
