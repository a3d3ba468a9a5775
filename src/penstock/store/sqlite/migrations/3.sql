-- How long the tasks of the newest runs of each workflow took: see runtime/durations.py.
CREATE TABLE duration (
    run INTEGER PRIMARY KEY,
    workflow TEXT NOT NULL,
    plan TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX duration_by_workflow ON duration (workflow, run);
