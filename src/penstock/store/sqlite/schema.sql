-- The store as this version of Penstock makes it. A change of it comes with a migration, and raises schema.VERSION.

-- What history knows of each run. A number is never given out twice, so that locks and batches may go by it.
CREATE TABLE run (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    state TEXT NOT NULL,
    params TEXT NOT NULL,
    plan TEXT NOT NULL,
    source TEXT,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    error TEXT,
    tasks INTEGER NOT NULL,
    counts TEXT NOT NULL,
    undelivered INTEGER NOT NULL DEFAULT 0,
    wake_at REAL,
    parent TEXT,
    part TEXT,
    logical_at REAL,
    interval_start REAL,
    interval_end REAL,
    timezone TEXT,
    trigger TEXT NOT NULL DEFAULT 'manual'
) STRICT;
CREATE INDEX run_by_age ON run (created_at);
CREATE INDEX run_by_workflow ON run (workflow, created_at);
CREATE INDEX run_unfinished ON run (created_at) WHERE state IN ('queued', 'running') OR undelivered > 0;
CREATE INDEX run_due ON run (wake_at) WHERE state = 'waiting';
CREATE INDEX run_by_parent ON run (parent, created_at) WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON run (state, created_at);
CREATE INDEX run_by_workflow_and_state ON run (workflow, state, created_at);
CREATE UNIQUE INDEX run_by_logical_time ON run (workflow, logical_at) WHERE logical_at IS NOT NULL AND parent IS NULL;

CREATE TABLE plan (
    fingerprint TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Every plan that a run ever followed: each is needed to replay its journal.
CREATE TABLE followed (
    run INTEGER NOT NULL,
    plan TEXT NOT NULL REFERENCES plan,
    PRIMARY KEY (run, plan)
) STRICT, WITHOUT ROWID;
CREATE INDEX followed_by_plan ON followed (plan);

-- The batches of all runs: id is the run's number * 2^32 + the batch's number, so that the batches of a run lie side by
-- side and a commit touches one page [10 us less than a table with a second key]. A checksum is the BLAKE2b, 16 bytes,
-- of the checksum before it and the body; what stands before the first is the BLAKE2b of the run's id in UTF-8.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

-- Who drives each run, or did last: whether it still does, only the lock on byte `run` of the lock file tells.
CREATE TABLE lease (
    run INTEGER PRIMARY KEY,
    token INTEGER NOT NULL,
    pid INTEGER,
    host TEXT,
    since REAL
) STRICT;

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX message_by_run ON message (run, id);

-- How long the tasks of the newest runs of each workflow took: see runtime/durations.py.
CREATE TABLE duration (
    run INTEGER PRIMARY KEY,
    workflow TEXT NOT NULL,
    plan TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX duration_by_workflow ON duration (workflow, run);

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

-- When workflows are due: see store/schedules.py. `upto` is the cursor.
CREATE TABLE schedule (
    workflow TEXT PRIMARY KEY,
    source TEXT,
    version TEXT NOT NULL,
    timetable TEXT,
    text TEXT,
    timezone TEXT NOT NULL,
    catchup TEXT NOT NULL,
    max_active_runs INTEGER NOT NULL,
    deadline REAL,
    upto REAL NOT NULL,
    paused INTEGER NOT NULL,
    seen_at REAL NOT NULL,
    error TEXT,
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was decided about logical times, those of one decision together: see store/schedules.py. A row stays when its run
-- or its schedule goes.
CREATE TABLE tick (
    workflow TEXT NOT NULL,
    last REAL NOT NULL,
    what TEXT NOT NULL,
    first REAL NOT NULL,
    count INTEGER NOT NULL,
    run TEXT,
    decided_at REAL NOT NULL,
    PRIMARY KEY (workflow, last, what)
) STRICT, WITHOUT ROWID;

-- One row, which sync() changes: a commit that is synced to disk makes all earlier ones safe.
CREATE TABLE barrier (
    commits INTEGER NOT NULL
) STRICT;
INSERT INTO barrier VALUES (0);
