"""Steps from one schema of the SQLite store to the next: N.sql leads from version N-1 to version N."""
