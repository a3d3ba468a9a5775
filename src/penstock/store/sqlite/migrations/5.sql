-- Runs that are due at a time, what began each, pages of runs in one state, and schedules.
ALTER TABLE run ADD COLUMN logical_at REAL;
ALTER TABLE run ADD COLUMN interval_start REAL;
ALTER TABLE run ADD COLUMN interval_end REAL;
ALTER TABLE run ADD COLUMN timezone TEXT;
ALTER TABLE run ADD COLUMN trigger TEXT NOT NULL DEFAULT 'manual';
UPDATE run SET trigger = 'workflow' WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON run (state, created_at);
CREATE INDEX run_by_workflow_and_state ON run (workflow, state, created_at);
CREATE UNIQUE INDEX run_by_logical_time ON run (workflow, logical_at) WHERE logical_at IS NOT NULL AND parent IS NULL;

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
