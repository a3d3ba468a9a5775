"""Imported last of what is Penstock's: all modules that come after this one are a user's.

Those before it are shared by all processes of a service, and merely looking at them would have them copied.
"""
