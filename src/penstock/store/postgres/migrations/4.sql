-- Runs that are due at a time, what began each, pages of runs in one state, and schedules.
ALTER TABLE run
    ADD COLUMN logical_at float8,
    ADD COLUMN interval_start float8,
    ADD COLUMN interval_end float8,
    ADD COLUMN timezone text,
    ADD COLUMN trigger text NOT NULL DEFAULT 'manual';
UPDATE run SET trigger = 'workflow' WHERE parent IS NOT NULL;
CREATE INDEX run_by_state ON run (state, created_at, number);
CREATE INDEX run_by_workflow_and_state ON run (workflow, state, created_at, number);
CREATE UNIQUE INDEX run_by_logical_time ON run (workflow, logical_at) WHERE logical_at IS NOT NULL AND parent IS NULL;

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
