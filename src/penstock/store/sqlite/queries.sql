-- append --
-- One batch, if the lease of its writer is still the newest.
INSERT INTO journal (id, body, checksum)
SELECT (?1 << 32) + ?2, ?3, ?4 FROM lease WHERE run = ?1 AND token = ?5;

-- change_run --
-- New values for a run's row: NULL keeps what is there, but a run that was reopened forgets its end and its error. Only
-- a waiting run has a time to go on, and that is now if its inbox is not empty.
UPDATE run SET
    state = coalesce(?2, state),
    tasks = coalesce(?3, tasks),
    started_at = coalesce(?4, started_at),
    ended_at = coalesce(?5, iif(?9, NULL, ended_at)),
    error = coalesce(?6, iif(?9, NULL, error)),
    counts = coalesce(?7, counts),
    undelivered = coalesce(?8, undelivered),
    wake_at = CASE
        WHEN ?2 IS NULL THEN wake_at
        WHEN ?2 <> 'waiting' THEN NULL
        WHEN EXISTS (SELECT 1 FROM message WHERE run = ?1) THEN 0.0
        ELSE ?10
    END
WHERE number = ?1;

-- take --
-- A message leaves its run's inbox.
DELETE FROM message WHERE id = ?2 AND run = ?1;

-- barrier --
-- Something to commit, for sync().
UPDATE barrier SET commits = commits + 1;

-- batches --
-- Some batches of a run, from one number on, in order.
SELECT id & 0xffffffff, body, checksum FROM journal
WHERE id BETWEEN (?1 << 32) + ?2 AND (?1 << 32) + 0xffffffff
ORDER BY id LIMIT ?3;

-- last_batch --
-- Where a run's journal ends.
SELECT id & 0xffffffff, checksum FROM journal
WHERE id BETWEEN (?1 << 32) AND (?1 << 32) + 0xffffffff
ORDER BY id DESC LIMIT 1;

-- number --
-- The number of the run with this id.
SELECT number FROM run WHERE id = ?1;

-- lease --
-- A new lease of a run, newer than all before.
INSERT INTO lease (run, token, pid, host, since)
SELECT number, 1, ?2, ?3, ?4 FROM run WHERE number = ?1
ON CONFLICT DO UPDATE SET token = token + 1, pid = excluded.pid, host = excluded.host, since = excluded.since
RETURNING token;

-- is_newest --
-- Whether nobody has a newer lease of a run.
SELECT 1 FROM lease WHERE run = ?1 AND token = ?2;

-- release --
-- Nobody drives this run any more, if nobody else has taken it since.
UPDATE lease SET pid = NULL, host = NULL, since = NULL WHERE run = ?1 AND token = ?2;

-- holder --
-- Who took the newest lease of a run.
SELECT pid, host, since FROM lease WHERE run = ?1 AND pid IS NOT NULL;

-- post --
-- A message for a run.
INSERT INTO message (run, kind, body, at)
SELECT number, ?2, ?3, ?4 FROM run WHERE id = ?1
RETURNING run;

-- wake --
-- A run that waits is due now.
UPDATE run SET wake_at = 0.0 WHERE number = ?1 AND state = 'waiting';

-- messages --
-- The inbox of a run, oldest first.
SELECT id, kind, body, at FROM message WHERE run = ?1 ORDER BY id;

-- has_messages --
-- Whether anything is in the inbox of a run.
SELECT EXISTS (SELECT 1 FROM message WHERE run = ?1);

-- add_plan --
-- A plan, if it is not kept yet.
INSERT INTO plan (fingerprint, body) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- plan --
-- The plan with this fingerprint.
SELECT body FROM plan WHERE fingerprint = ?1;

-- create_run --
-- A new run.
INSERT INTO run
    (id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING number;

-- follow --
-- A run follows a plan from now on, whether it did before or not.
INSERT INTO followed (run, plan) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- run --
-- The run with this id.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE id = ?1;

-- runs_by_prefix --
-- A few of the runs whose ids begin so.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 AND id < ?1 || char(0x10ffff)
ORDER BY id LIMIT 4;

-- place --
-- After which of the runs of its instant a page goes on.
SELECT number FROM run WHERE id = ?1 AND created_at = ?2;

-- runs --
-- Runs from one moment on and before a place, newest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE created_at >= ?2 AND (created_at, number) < (?3, ?4) AND (?5 IS NULL OR trigger = ?5)
ORDER BY created_at DESC, number DESC LIMIT ?1;

-- runs_of --
-- The same of one workflow.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE workflow = ?6 AND created_at >= ?2 AND (created_at, number) < (?3, ?4) AND (?5 IS NULL OR trigger = ?5)
ORDER BY created_at DESC, number DESC LIMIT ?1;

-- runs_in --
-- The same in some states: the first of each state, and of these the first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM (SELECT value AS chosen FROM json_each(?6)) CROSS JOIN run ON number IN (
    SELECT number FROM run
    WHERE state = chosen AND created_at >= ?2 AND (created_at, number) < (?3, ?4) AND (?5 IS NULL OR trigger = ?5)
    ORDER BY created_at DESC, number DESC LIMIT ?1
)
ORDER BY created_at DESC, number DESC LIMIT ?1;

-- runs_of_in --
-- The same of one workflow and in some states.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM (SELECT value AS chosen FROM json_each(?6)) CROSS JOIN run ON number IN (
    SELECT number FROM run INDEXED BY run_by_workflow_and_state
    WHERE workflow = ?7 AND state = chosen AND created_at >= ?2 AND (created_at, number) < (?3, ?4)
        AND (?5 IS NULL OR trigger = ?5)
    ORDER BY created_at DESC, number DESC LIMIT ?1
)
ORDER BY created_at DESC, number DESC LIMIT ?1;

-- newest_runs --
-- The newest run of each workflow: from name to name in an index.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE number IN (
    WITH RECURSIVE name (workflow) AS (
        SELECT min(workflow) FROM run
        UNION ALL
        SELECT (SELECT min(workflow) FROM run WHERE workflow > name.workflow) FROM name WHERE workflow IS NOT NULL
    )
    SELECT (
        SELECT number FROM run WHERE run.workflow = name.workflow ORDER BY created_at DESC, number DESC LIMIT 1
    ) FROM name
)
ORDER BY workflow;

-- run_counts --
-- How many runs each workflow has in each state.
SELECT workflow, state, count(*) FROM run GROUP BY workflow, state;

-- active_runs --
-- How many runs of a workflow have not ended.
SELECT count(*) FROM run WHERE workflow = ?1 AND state IN ('queued', 'running', 'waiting');

-- changes --
-- A number that another connection's commit changes.
PRAGMA data_version;

-- unfinished --
-- The runs that have not ended or have undelivered notices, oldest first, without those that wait.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE (state IN ('queued', 'running') OR undelivered > 0) AND state <> 'waiting'
ORDER BY created_at, number;

-- due --
-- The waiting runs whose time has come, those that have been due longest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE state = 'waiting' AND wake_at <= ?1
ORDER BY wake_at, number;

-- children --
-- The runs that are a part of this one, oldest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE parent = ?1
ORDER BY created_at, number;

-- keep_durations --
-- How long the tasks of a run took.
INSERT INTO duration (run, workflow, plan, body) SELECT number, workflow, ?2, ?3 FROM run WHERE number = ?1
ON CONFLICT DO UPDATE SET plan = excluded.plan, body = excluded.body;

-- drop_durations --
-- What is kept of other runs of a run's workflow, but for the newest.
DELETE FROM duration WHERE run IN (
    SELECT run FROM duration WHERE workflow = (SELECT workflow FROM run WHERE number = ?1) AND run <> ?1
    ORDER BY run DESC LIMIT -1 OFFSET ?2
);

-- durations --
-- How long the tasks of runs of a workflow took, newest run first.
SELECT plan, body FROM duration WHERE workflow = ?1 AND run IN (SELECT number FROM run) ORDER BY run DESC;

-- delete_durations --
-- How long the tasks of a run took.
DELETE FROM duration WHERE run = ?1;

-- set_pool --
-- A pool with so many slots, be it new or not.
INSERT INTO pool (name, slots) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET slots = excluded.slots;

-- delete_pool --
-- A pool is not on record any more.
DELETE FROM pool WHERE name = ?1;

-- pool --
-- How many slots a pool has.
SELECT slots FROM pool WHERE name = ?1;

-- pools --
-- All pools.
SELECT name FROM pool ORDER BY name;

-- claimed_pools --
-- The pools of which anybody holds or wants something.
SELECT DISTINCT pool FROM slot ORDER BY pool;

-- stakes --
-- What runs hold and want of a pool, and whether under their newest lease.
SELECT run, held, wanted, priority, place, since, capacity,
    EXISTS (SELECT 1 FROM lease WHERE lease.run = slot.run AND lease.token = slot.token)
FROM slot WHERE pool = ?1 ORDER BY run;

-- ids --
-- The ids of the runs that hold or want something of a pool.
SELECT number, id FROM slot JOIN run ON number = slot.run WHERE pool = ?1;

-- pools_of --
-- The pools of which a run holds or wants something, under this lease or those before.
SELECT pool FROM slot WHERE run = ?1 AND token <= ?2;

-- keep_stake --
-- What a run holds and wants of a pool from now on.
INSERT INTO slot (pool, token, run, held, wanted, priority, place, since, capacity)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO UPDATE SET token = excluded.token, held = excluded.held, wanted = excluded.wanted,
    priority = excluded.priority, place = excluded.place, since = excluded.since, capacity = excluded.capacity;

-- forget_stake --
-- A run holds and wants nothing of a pool any more.
DELETE FROM slot WHERE pool = ?1 AND run = ?2;

-- forget_wishes --
-- Nobody wants more of a pool than he holds.
UPDATE slot SET wanted = held, place = 0, since = NULL WHERE pool = ?1;

-- forget_nothings --
-- What nobody holds or wants is not kept.
DELETE FROM slot WHERE pool = ?1 AND wanted = 0;

-- put_schedule --
-- A schedule. One that is there keeps its cursor and whether it is paused.
INSERT INTO schedule
    (workflow, source, version, timetable, text, timezone, catchup, max_active_runs, deadline, upto, paused, seen_at,
    error, about)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET source = excluded.source, version = excluded.version, timetable = excluded.timetable,
    text = excluded.text, timezone = excluded.timezone, catchup = excluded.catchup,
    max_active_runs = excluded.max_active_runs, deadline = excluded.deadline, seen_at = excluded.seen_at,
    error = excluded.error, about = excluded.about;

-- schedules --
-- All schedules, by name.
SELECT workflow, source, version, timetable, text, timezone, catchup, max_active_runs, deadline, upto, paused, seen_at,
    error, about
FROM schedule ORDER BY workflow;

-- schedule --
-- The schedule of a workflow.
SELECT workflow, source, version, timetable, text, timezone, catchup, max_active_runs, deadline, upto, paused, seen_at,
    error, about
FROM schedule WHERE workflow = ?1;

-- pause --
-- A schedule is paused, or is not.
UPDATE schedule SET paused = ?2 WHERE workflow = ?1;

-- forget_schedule --
-- A schedule is not on record any more.
DELETE FROM schedule WHERE workflow = ?1;

-- move_cursor --
-- The cursor of a schedule moves, if it stands where it stood and the schedule is not paused.
UPDATE schedule SET upto = ?3 WHERE workflow = ?1 AND upto = ?2 AND NOT paused;

-- taken --
-- The run that a workflow has had for a logical time, or NULL if it is among those of which no more is known.
SELECT run FROM tick WHERE workflow = ?1 AND last = ?2 AND what = 'created'
UNION ALL
SELECT id FROM run WHERE workflow = ?1 AND logical_at = ?2 AND parent IS NULL
UNION ALL
SELECT NULL FROM tick WHERE workflow = ?1 AND what = 'created' AND count > 1 AND last >= ?2 AND first <= ?2
LIMIT 1;

-- keep_tick --
-- What was decided.
INSERT OR REPLACE INTO tick (workflow, what, first, last, count, run, decided_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- ticks --
-- What was decided about a workflow, the latest logical times first.
SELECT what, first, last, count, run, decided_at FROM tick
WHERE workflow = ?1 AND (last, what) < (?2, ?3)
ORDER BY last DESC, what DESC LIMIT ?4;

-- long_histories --
-- The workflows about which more was decided than so many times.
SELECT workflow FROM tick GROUP BY workflow HAVING count(*) > ?1;

-- delete_tick --
-- What was decided is kept in another row.
DELETE FROM tick WHERE workflow = ?1 AND last = ?2 AND what = ?3;

-- delete_slots --
-- What a run holds and wants of all pools.
DELETE FROM slot WHERE run = ?1;

-- delete_journal --
-- The whole journal of a run.
DELETE FROM journal WHERE id BETWEEN (?1 << 32) AND (?1 << 32) + 0xffffffff;

-- delete_messages --
-- The whole inbox of a run.
DELETE FROM message WHERE run = ?1;

-- delete_lease --
-- The lease of a run: whoever wrote under it is refused.
DELETE FROM lease WHERE run = ?1;

-- plans_of --
-- The plans that this run followed and no other.
SELECT plan FROM followed AS mine WHERE run = ?1
AND NOT EXISTS (SELECT 1 FROM followed AS other WHERE other.plan = mine.plan AND other.run <> ?1);

-- unfollow --
-- A run follows no plan any more.
DELETE FROM followed WHERE run = ?1;

-- delete_plan --
-- A plan that no run follows.
DELETE FROM plan WHERE fingerprint = ?1;

-- delete_run --
-- The row of a run.
DELETE FROM run WHERE number = ?1;

-- run_numbers --
-- All runs with their numbers.
SELECT number, id FROM run;

-- stray_journals --
-- Runs of which there is a journal and no row.
SELECT DISTINCT id >> 32 FROM journal WHERE NOT EXISTS (SELECT 1 FROM run WHERE number = journal.id >> 32);

-- unfollowed_plans --
-- How many plans no run follows.
SELECT count(*) FROM plan WHERE NOT EXISTS (SELECT 1 FROM followed WHERE followed.plan = fingerprint);

-- delete_unfollowed_plans --
-- The plans that no run follows.
DELETE FROM plan WHERE NOT EXISTS (SELECT 1 FROM followed WHERE followed.plan = fingerprint);

-- stray_leases --
-- How many leases are of no run.
SELECT count(*) FROM lease WHERE run NOT IN (SELECT number FROM run);

-- delete_stray_leases --
-- The leases of no run.
DELETE FROM lease WHERE run NOT IN (SELECT number FROM run);

-- stray_messages --
-- How many messages are to no run.
SELECT count(*) FROM message WHERE run NOT IN (SELECT number FROM run);

-- delete_stray_messages --
-- The messages to no run.
DELETE FROM message WHERE run NOT IN (SELECT number FROM run);

-- stray_notes --
-- How many notes there are that a run follows a plan, of no run.
SELECT count(*) FROM followed WHERE run NOT IN (SELECT number FROM run);

-- delete_stray_notes --
-- The notes that a run follows a plan, of no run.
DELETE FROM followed WHERE run NOT IN (SELECT number FROM run);

-- stray_durations --
-- How many notes of durations are of no run.
SELECT count(*) FROM duration WHERE run NOT IN (SELECT number FROM run);

-- delete_stray_durations --
-- The notes of durations of no run.
DELETE FROM duration WHERE run NOT IN (SELECT number FROM run);

-- late_cursors --
-- Runs of schedules that are due after everything is decided.
SELECT id, run.workflow FROM run JOIN schedule ON schedule.workflow = run.workflow
WHERE trigger = 'schedule' AND parent IS NULL AND logical_at > upto;

-- tickless_runs --
-- Runs for a logical time of which it is not noted that the workflow has had one for it.
SELECT id, workflow FROM run WHERE logical_at IS NOT NULL AND parent IS NULL AND NOT EXISTS (
    SELECT 1 FROM tick WHERE tick.workflow = run.workflow AND what = 'created' AND last = logical_at
) AND NOT EXISTS (
    SELECT 1 FROM tick
    WHERE tick.workflow = run.workflow AND what = 'created' AND count > 1 AND last >= logical_at AND first <= logical_at
);
