"""The shell around the engine: drivers of runs, their timers, signals and recovery."""
