-- Runs that wait without a driver, runs that are a part of another, and pools.
ALTER TABLE run
    ADD COLUMN wake_at float8,
    ADD COLUMN parent text COLLATE "C",
    ADD COLUMN part text;
CREATE INDEX run_due ON run (wake_at, number) WHERE state = 'waiting';
CREATE INDEX run_by_parent ON run (parent, created_at, number) WHERE parent IS NOT NULL;

-- How many slots there are. A pool without a row has as many as those who claim them say.
CREATE TABLE pool (
    name text COLLATE "C" PRIMARY KEY,
    slots int8 NOT NULL
);

-- What runs hold and want of the slots of pools: see store/slots.py. A row counts as long as the lease with its token is
-- the newest of its run, and its driver lives.
CREATE TABLE slot (
    pool text COLLATE "C" NOT NULL,
    run int NOT NULL REFERENCES run ON DELETE CASCADE,
    token int8 NOT NULL,
    held int8 NOT NULL,
    wanted int8 NOT NULL,
    priority int8 NOT NULL,
    place int8 NOT NULL,
    since float8,
    capacity int8,
    PRIMARY KEY (pool, run)
);
CREATE INDEX slot_by_run ON slot (run);
