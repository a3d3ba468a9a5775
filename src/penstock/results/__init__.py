"""The values that tasks return: their codecs, and where large ones are kept."""
