"""The pure core of a run: events and the time go in, commands come out; no clock, no thread, no file."""
