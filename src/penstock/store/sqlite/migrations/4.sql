-- Runs that wait without a driver, runs that are a part of another, and pools.
ALTER TABLE run ADD COLUMN wake_at REAL;
ALTER TABLE run ADD COLUMN parent TEXT;
ALTER TABLE run ADD COLUMN part TEXT;
CREATE INDEX run_due ON run (wake_at) WHERE state = 'waiting';
CREATE INDEX run_by_parent ON run (parent, created_at) WHERE parent IS NOT NULL;

-- How many slots there are. A pool without a row has as many as those who claim them say.
CREATE TABLE pool (
    name TEXT PRIMARY KEY,
    slots INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What runs hold and want of the slots of pools: see store/slots.py. A row counts as long as the lease with its token is
-- the newest of its run, and the lock on byte `run` of the lock file is held.
CREATE TABLE slot (
    pool TEXT NOT NULL,
    run INTEGER NOT NULL,
    token INTEGER NOT NULL,
    held INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    place INTEGER NOT NULL,
    since REAL,
    capacity INTEGER,
    PRIMARY KEY (pool, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX slot_by_run ON slot (run);
