"""Steps from one schema of the Postgres store to the next: N.sql leads from version N-1 to version N."""
