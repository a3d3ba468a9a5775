-- How long the tasks of the newest runs of each workflow took: see runtime/durations.py.
CREATE TABLE duration (
    run int PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    workflow text NOT NULL,
    plan text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX duration_by_workflow ON duration (workflow, run);
