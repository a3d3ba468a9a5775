-- Notices that are still to be delivered, and a quick way to the runs that somebody has to see to.
ALTER TABLE run ADD COLUMN undelivered INTEGER NOT NULL DEFAULT 0;
CREATE INDEX run_unfinished ON run (created_at) WHERE state IN ('queued', 'running') OR undelivered > 0;
