-- The store as this version of Penstock makes it. A change of it comes with a migration, and raises schema.VERSION.

-- One row: which version of the schema this is. Written by whoever makes or migrates it.
CREATE TABLE penstock_version (
    version int NOT NULL
);

-- One row: which store this is, wherever the database moves. Folders of values say whose they are by it.
CREATE TABLE identity (
    id text NOT NULL
);
INSERT INTO identity VALUES (gen_random_uuid()::text);

-- What history knows of each run. A number is never given out twice, so that locks and batches may go by it.
CREATE TABLE run (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    workflow text NOT NULL,
    state text NOT NULL,
    params text NOT NULL,
    plan text NOT NULL,
    source text,
    created_at float8 NOT NULL,
    started_at float8,
    ended_at float8,
    error text,
    tasks int8 NOT NULL,
    counts text NOT NULL,
    undelivered int8 NOT NULL,
    wake_at float8,
    parent text COLLATE "C",
    part text,
    logical_at float8,
    interval_start float8,
    interval_end float8,
    timezone text,
    trigger text NOT NULL DEFAULT 'manual'
);
CREATE INDEX run_by_age ON run (created_at, number);
CREATE INDEX run_by_workflow ON run (workflow, created_at, number);
CREATE INDEX run_unfinished ON run (created_at, number) WHERE state IN ('queued', 'running') OR undelivered > 0;
CREATE INDEX run_due ON run (wake_at, number) WHERE state = 'waiting';
CREATE INDEX run_by_parent ON run (parent, created_at, number) WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON run (state, created_at, number);
CREATE INDEX run_by_workflow_and_state ON run (workflow, state, created_at, number);
CREATE UNIQUE INDEX run_by_logical_time ON run (workflow, logical_at) WHERE logical_at IS NOT NULL AND parent IS NULL;

CREATE TABLE plan (
    fingerprint text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL
);

-- Every plan that a run ever followed: each is needed to replay its journal.
CREATE TABLE followed (
    run int NOT NULL REFERENCES run ON DELETE CASCADE,
    plan text COLLATE "C" NOT NULL REFERENCES plan,
    PRIMARY KEY (run, plan)
);
CREATE INDEX followed_by_plan ON followed (plan);

-- The batches of all runs, chained by their checksums: see store/chain.py. There is no foreign key, since whoever writes
-- or deletes a batch has locked the row of the run's lease.
CREATE TABLE journal (
    run int NOT NULL,
    batch int NOT NULL,
    body bytea NOT NULL,
    checksum bytea NOT NULL,
    PRIMARY KEY (run, batch)
);

-- Who drives each run, or did last: see leases.py. A lease that was given back has no pid. Half of each page is left
-- empty, so that a heartbeat rewrites its row in place.
CREATE TABLE lease (
    run int PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    token int8 NOT NULL,
    pid int8,
    host text,
    since timestamptz,
    heard_at timestamptz,
    period interval
) WITH (fillfactor = 50);

CREATE TABLE message (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run int NOT NULL REFERENCES run ON DELETE CASCADE,
    kind text NOT NULL,
    body text NOT NULL,
    at float8 NOT NULL
);
CREATE INDEX message_by_run ON message (run, id);

-- How long the tasks of the newest runs of each workflow took: see runtime/durations.py.
CREATE TABLE duration (
    run int PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    workflow text NOT NULL,
    plan text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX duration_by_workflow ON duration (workflow, run);

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

-- When workflows are due: see store/schedules.py. `upto` is the cursor.
CREATE TABLE schedule (
    workflow text COLLATE "C" PRIMARY KEY,
    source text,
    version text NOT NULL,
    timetable text,
    text text,
    timezone text NOT NULL,
    catchup text NOT NULL,
    max_active_runs int8 NOT NULL,
    deadline float8,
    upto float8 NOT NULL,
    paused bool NOT NULL,
    seen_at float8 NOT NULL,
    error text,
    about text NOT NULL
);

-- What was decided about logical times, those of one decision together: see store/schedules.py. A row stays when its run
-- or its schedule goes.
CREATE TABLE tick (
    workflow text COLLATE "C" NOT NULL,
    last float8 NOT NULL,
    what text COLLATE "C" NOT NULL,
    first float8 NOT NULL,
    count int8 NOT NULL,
    run text COLLATE "C",
    decided_at float8 NOT NULL,
    PRIMARY KEY (workflow, last, what)
);
