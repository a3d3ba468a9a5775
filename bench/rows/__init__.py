"""The rows of the table, and how each is measured."""
