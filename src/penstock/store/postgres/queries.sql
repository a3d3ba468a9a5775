-- settings --
-- What holds in every session: names are those of the store's schema, and a commit that was acknowledged is on disk.
SELECT
    set_config('search_path', quote_ident($1), false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('idle_in_transaction_session_timeout', '10s', false),
    current_setting('server_version_num')::int,
    current_setting('server_encoding');

-- keepalives --
-- How soon the server finds out that this machine is gone.
SELECT
    set_config('tcp_keepalives_idle', $1, false),
    set_config('tcp_keepalives_interval', $1, false),
    set_config('tcp_keepalives_count', $2, false),
    set_config('tcp_user_timeout', $3, false);

-- session --
-- The process of the server that serves this session.
SELECT pg_backend_pid();

-- identity --
-- Which store this is.
SELECT id FROM identity;

-- append --
-- One batch, if the lease of its writer is still the newest and was not given back. Its row stays locked until the
-- commit, so that nobody takes the run over between the look and the write. NULL keeps what is in the run's row, but a
-- run that was reopened forgets its end and its error, and only a waiting one has a time to go on.
WITH own AS (
    SELECT run FROM lease WHERE run = $1 AND token = $2 AND pid IS NOT NULL FOR NO KEY UPDATE
), written AS (
    INSERT INTO journal (run, batch, body, checksum) SELECT run, $3, $4, $5 FROM own
), taken AS (
    DELETE FROM message USING own WHERE message.run = own.run AND message.id = ANY($6::int8[])
), changed AS (
    UPDATE run SET
        state = coalesce($8, state),
        tasks = coalesce($9::int8, tasks),
        started_at = coalesce($10::float8, started_at),
        ended_at = coalesce($11::float8, CASE WHEN $15::bool THEN NULL ELSE ended_at END),
        error = coalesce($12, CASE WHEN $15::bool THEN NULL ELSE error END),
        counts = coalesce($13, counts),
        undelivered = coalesce($14::int8, undelivered),
        wake_at = CASE WHEN $8 IS NULL THEN wake_at WHEN $8 = 'waiting' THEN $16::float8 END
    FROM own WHERE run.number = own.run AND $7::bool
)
SELECT run FROM own;

-- heed --
-- A run that waits is due now if its inbox is not empty. This follows `append` in the same transaction, as a statement
-- of its own: it sees what was posted before the row was locked, and `post` sees to what comes after.
UPDATE run SET wake_at = 0.0 WHERE number = $1 AND state = 'waiting' AND EXISTS (SELECT FROM message WHERE run = $1);

-- keep_durations --
-- How long the tasks of a run took, if its lease is still the newest; what is kept of other runs of its workflow goes,
-- but for the newest. No part of `append`, since that would cost every batch a tenth of its time [14 us].
WITH own AS (
    SELECT number, workflow FROM run JOIN lease ON lease.run = number WHERE number = $1 AND token = $2
), dropped AS (
    DELETE FROM duration WHERE run IN (
        SELECT run FROM duration JOIN own USING (workflow) WHERE run <> number ORDER BY run DESC OFFSET $5::int8
    )
)
INSERT INTO duration (run, workflow, plan, body) SELECT number, workflow, $3, $4 FROM own
ON CONFLICT (run) DO UPDATE SET plan = excluded.plan, body = excluded.body;

-- batches --
-- Some batches of a run, from one number on, in order.
SELECT batch, body, checksum FROM journal WHERE run = $1 AND batch >= $2 ORDER BY batch LIMIT $3;

-- last_batch --
-- Where a run's journal ends.
SELECT batch, checksum FROM journal WHERE run = $1 ORDER BY batch DESC LIMIT 1;

-- number --
-- The number of the run with this id.
SELECT number FROM run WHERE id = $1;

-- lease --
-- A new lease of a run, newer than all before, and the lock on the run for this session: unless another session has the
-- lock, or the last lease is neither given back nor silent for its period. A sign of life from the future is none: the
-- server's clock was set back. All in one statement, so that whoever is stopped in the middle keeps no lock without a
-- lease.
WITH tried AS MATERIALIZED (
    SELECT pg_try_advisory_lock($1::int4, $2::int4) AS locked
), taken AS (
    UPDATE lease SET
        token = token + 1, pid = $3::int8, host = $4, since = clock_timestamp(), heard_at = clock_timestamp(),
        period = make_interval(secs => $5::float8)
    FROM tried
    WHERE locked AND run = $2::int4
        AND (pid IS NULL OR heard_at NOT BETWEEN clock_timestamp() - period AND clock_timestamp() + period)
    RETURNING token
)
SELECT token, CASE WHEN locked AND token IS NULL THEN pg_advisory_unlock($1::int4, $2::int4) END
FROM tried LEFT JOIN taken ON true;

-- lock --
-- The lock on a run for this session, if no other session has it.
SELECT pg_try_advisory_lock($1::int4, $2::int4);

-- unlock --
-- The lock on a run is given back.
SELECT pg_advisory_unlock($1::int4, $2::int4);

-- beat --
-- A sign of life for those of these leases that are still the newest of their runs.
UPDATE lease SET heard_at = clock_timestamp()
FROM unnest($1::int[], $2::int8[]) AS held (run, token)
WHERE lease.run = held.run AND lease.token = held.token AND lease.pid IS NOT NULL
RETURNING lease.run;

-- lock_again --
-- The locks on these runs for this session, as far as no other session has them.
SELECT run, pg_try_advisory_lock($1::int4, run) FROM unnest($2::int[]) AS held (run);

-- release --
-- Nobody drives this run any more, if nobody else has taken it since, and the lock on it is given back.
WITH released AS (
    UPDATE lease SET pid = NULL, host = NULL, since = NULL, heard_at = NULL, period = NULL
    WHERE run = $2::int4 AND token = $3
)
SELECT pg_advisory_unlock($1::int4, $2::int4);

-- holder --
-- Who has the newest lease of a run, if it was not given back, and either its lock is held or it was heard of lately.
SELECT pid, host, extract(epoch FROM since)::float8, extract(epoch FROM heard_at)::float8 FROM lease
WHERE run = $2::int8 AND pid IS NOT NULL AND (
    heard_at BETWEEN clock_timestamp() - period AND clock_timestamp() + period
    OR EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid::int8 = $1::int8 & 4294967295 AND objid::int8 = $2::int8
    )
);

-- post --
-- A message for a run, and word of it to whoever listens. A run that waits is due now: its row is locked, waiting or
-- not, so that it does not come to wait in between, without a look at this message.
WITH found AS MATERIALIZED (
    SELECT number, state FROM run WHERE id = $2 FOR NO KEY UPDATE
), posted AS (
    INSERT INTO message (run, kind, body, at)
    SELECT number, $3, $4, extract(epoch FROM clock_timestamp())::float8 FROM found
    RETURNING run
), woken AS (
    UPDATE run SET wake_at = 0.0 FROM found WHERE run.number = found.number AND found.state = 'waiting'
)
SELECT run, pg_notify($1, run::text) FROM posted;

-- messages --
-- The inbox of a run, oldest first.
SELECT id, kind, body, at FROM message WHERE run = $1 ORDER BY id;

-- have_messages --
-- Those of these runs that have something in their inbox.
SELECT DISTINCT run FROM message WHERE run = ANY($1::int[]);

-- create_run --
-- A new run with its plan, for whoever acquires it. The gate keeps whoever deletes plans away until the commit.
WITH gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared($1::int4, $2::int4)
), kept AS (
    INSERT INTO plan (fingerprint, body) SELECT $3, $4 FROM gate ON CONFLICT DO NOTHING
), made AS (
    INSERT INTO run
        (plan, id, workflow, state, params, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
        wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger)
    VALUES ($3, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
    RETURNING number
), follows AS (
    INSERT INTO followed (run, plan) SELECT number, $3 FROM made
), leased AS (
    INSERT INTO lease (run, token) SELECT number, 0 FROM made
)
SELECT number FROM made;

-- start_run --
-- A new run with its plan, its first lease, and the lock on it for this session.
WITH gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared($1::int4, $2::int4)
), kept AS (
    INSERT INTO plan (fingerprint, body) SELECT $3, $4 FROM gate ON CONFLICT DO NOTHING
), made AS (
    INSERT INTO run
        (plan, id, workflow, state, params, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
        wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger)
    VALUES ($3, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
    RETURNING number
), follows AS (
    INSERT INTO followed (run, plan) SELECT number, $3 FROM made
), leased AS (
    INSERT INTO lease (run, token, pid, host, since, heard_at, period)
    SELECT number, 1, $25::int8, $26, clock_timestamp(), clock_timestamp(), make_interval(secs => $27::float8) FROM made
)
SELECT number, pg_try_advisory_lock($1::int4, number) FROM made;

-- started --
-- The number of the run with this id, if its first driver is this process and it has had no other.
SELECT number FROM run JOIN lease ON lease.run = number WHERE id = $1 AND token = 1 AND pid = $2::int8 AND host = $3;

-- add_plan --
-- A plan, if it is not kept yet, and that a run follows it from now on, whether it did before or not.
WITH gate AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared($1::int4, $2::int4)
), found AS (
    SELECT number FROM run WHERE id = $3
), kept AS (
    INSERT INTO plan (fingerprint, body) SELECT $4, $5 FROM gate, found ON CONFLICT DO NOTHING
), follows AS (
    INSERT INTO followed (run, plan) SELECT number, $4 FROM found ON CONFLICT DO NOTHING
)
SELECT number FROM found;

-- plan --
-- The plan with this fingerprint.
SELECT body FROM plan WHERE fingerprint = $1;

-- run --
-- The run with this id.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE id = $1;

-- runs_by_prefix --
-- A few of the runs whose ids begin so.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE id >= $1 AND starts_with(id, $1) AND id < $1 || chr(1114111) ORDER BY id LIMIT 4;

-- place --
-- After which of the runs of its instant a page goes on.
SELECT number FROM run WHERE id = $1 AND created_at = $2::float8;

-- runs --
-- Runs from one moment on and before a place, newest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run
WHERE created_at >= $2::float8 AND (created_at, number) < ($3::float8, $4::int8)
    AND ($5::text IS NULL OR trigger = $5)
ORDER BY created_at DESC, number DESC LIMIT $1::int8;

-- runs_of --
-- The same of one workflow.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run
WHERE workflow = $6 AND created_at >= $2::float8 AND (created_at, number) < ($3::float8, $4::int8)
    AND ($5::text IS NULL OR trigger = $5)
ORDER BY created_at DESC, number DESC LIMIT $1::int8;

-- runs_in --
-- The same in some states: the first of each state, and of these the first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM unnest($6::text[]) AS chosen (of_state) CROSS JOIN LATERAL (
    SELECT * FROM run
    WHERE state = of_state AND created_at >= $2::float8 AND (created_at, number) < ($3::float8, $4::int8)
        AND ($5::text IS NULL OR trigger = $5)
    ORDER BY created_at DESC, number DESC LIMIT $1::int8
) AS first_of_state
ORDER BY created_at DESC, number DESC LIMIT $1::int8;

-- runs_of_in --
-- The same of one workflow and in some states.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM unnest($6::text[]) AS chosen (of_state) CROSS JOIN LATERAL (
    SELECT * FROM run
    WHERE workflow = $7 AND state = of_state
        AND created_at >= $2::float8 AND (created_at, number) < ($3::float8, $4::int8)
        AND ($5::text IS NULL OR trigger = $5)
    ORDER BY created_at DESC, number DESC LIMIT $1::int8
) AS first_of_state
ORDER BY created_at DESC, number DESC LIMIT $1::int8;

-- newest_runs --
-- The newest run of each workflow: from name to name in an index.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM (
    WITH RECURSIVE name (named) AS (
        SELECT min(workflow) FROM run
        UNION ALL
        SELECT (SELECT min(workflow) FROM run WHERE workflow > named) FROM name WHERE named IS NOT NULL
    )
    SELECT named FROM name
) AS name CROSS JOIN LATERAL (
    SELECT * FROM run WHERE workflow = named ORDER BY created_at DESC, number DESC LIMIT 1
) AS newest
ORDER BY workflow COLLATE "C";

-- run_counts --
-- How many runs each workflow has in each state.
SELECT workflow, state, count(*) FROM run GROUP BY workflow, state;

-- active_runs --
-- How many runs of a workflow have not ended.
SELECT count(*) FROM run WHERE workflow = $1 AND state IN ('queued', 'running', 'waiting');

-- changes --
-- A number that goes with what can be seen: which transactions have ended, of all databases of the server.
SELECT hashtextextended(pg_current_snapshot()::text, 0);

-- unfinished --
-- Runs that have not ended or have undelivered notices, oldest first, without those that wait.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE (state IN ('queued', 'running') OR undelivered > 0) AND state <> 'waiting' ORDER BY created_at, number;

-- due --
-- The waiting runs whose time has come, those that have been due longest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE state = 'waiting' AND wake_at <= $1::float8 ORDER BY wake_at, number;

-- children --
-- The runs that are a part of this one, oldest first.
SELECT id, workflow, state, params, plan, source, created_at, started_at, ended_at, error, tasks, counts, undelivered,
    wake_at, parent, part, logical_at, interval_start, interval_end, timezone, trigger
FROM run WHERE parent = $1 ORDER BY created_at, number;

-- lock_pool --
-- Nobody else claims slots of a pool until the end of this transaction.
SELECT pg_advisory_xact_lock($1::int4, $2::int4);

-- set_pool --
-- A pool with so many slots, be it new or not.
INSERT INTO pool (name, slots) VALUES ($1, $2::int8) ON CONFLICT (name) DO UPDATE SET slots = excluded.slots;

-- delete_pool --
-- A pool is not on record any more.
DELETE FROM pool WHERE name = $1 RETURNING name;

-- pools --
-- All pools.
SELECT name FROM pool ORDER BY name;

-- claimed_pools --
-- The pools of which anybody holds or wants something.
SELECT DISTINCT pool FROM slot ORDER BY pool;

-- standing --
-- How many slots a pool has, what each run holds and wants of it, whether its driver lives: that of its newest lease,
-- which was not given back, and either its lock is held or it was heard of lately; and the time.
SELECT (SELECT slots FROM pool WHERE name = $1), slot.run, held, wanted, priority, place, slot.since, capacity,
    lease.token = slot.token AND pid IS NOT NULL AND (
        heard_at BETWEEN clock_timestamp() - period AND clock_timestamp() + period
        OR EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid::int8 = $2::int8 & 4294967295 AND objid::int8 = slot.run
        )
    ),
    extract(epoch FROM clock_timestamp())::float8
FROM (VALUES (1)) AS one LEFT JOIN slot ON slot.pool = $1 LEFT JOIN lease ON lease.run = slot.run
ORDER BY slot.run;

-- ids --
-- The ids of the runs that hold or want something of a pool.
SELECT number, id FROM slot JOIN run ON number = slot.run WHERE pool = $1;

-- drives --
-- Whether a lease is the newest of its run and was not given back.
SELECT FROM lease WHERE run = $1 AND token = $2 AND pid IS NOT NULL;

-- keep_stake --
-- What a run holds and wants of a pool from now on.
INSERT INTO slot (pool, token, run, held, wanted, priority, place, since, capacity)
VALUES ($1, $2, $3::int4, $4::int8, $5::int8, $6::int8, $7::int8, $8::float8, $9::int8)
ON CONFLICT (pool, run) DO UPDATE SET token = excluded.token, held = excluded.held, wanted = excluded.wanted,
    priority = excluded.priority, place = excluded.place, since = excluded.since, capacity = excluded.capacity;

-- forget_stakes --
-- Runs that hold and want nothing of a pool any more.
DELETE FROM slot WHERE pool = $1 AND run = ANY($2::int[]);

-- forget_wishes --
-- Nobody wants more of a pool than he holds.
UPDATE slot SET wanted = held, place = 0, since = NULL WHERE pool = $1;

-- forget_nothings --
-- What nobody holds or wants is not kept.
DELETE FROM slot WHERE pool = $1 AND wanted = 0;

-- put_schedule --
-- A schedule. One that is there keeps its cursor and whether it is paused.
INSERT INTO schedule
    (workflow, source, version, timetable, text, timezone, catchup, max_active_runs, deadline, upto, paused, seen_at,
    error, about)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::int8, $9::float8, $10::float8, $11::bool, $12::float8, $13, $14)
ON CONFLICT (workflow) DO UPDATE SET source = excluded.source, version = excluded.version,
    timetable = excluded.timetable, text = excluded.text, timezone = excluded.timezone, catchup = excluded.catchup,
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
FROM schedule WHERE workflow = $1;

-- pause --
-- A schedule is paused, or is not.
UPDATE schedule SET paused = $2::bool WHERE workflow = $1 RETURNING workflow;

-- forget_schedule --
-- A schedule is not on record any more.
DELETE FROM schedule WHERE workflow = $1;

-- gate --
-- Nobody deletes plans, nor merges what was decided, until the end of this transaction.
SELECT pg_advisory_xact_lock_shared($1::int4, $2::int4);

-- move_cursor --
-- The cursor of a schedule moves, if it stands where it stood and the schedule is not paused. Who comes second waits
-- here for the end of the first one's transaction, and then finds it moved.
UPDATE schedule SET upto = $3::float8 WHERE workflow = $1 AND upto = $2::float8 AND NOT paused RETURNING workflow;

-- take_time --
-- A workflow has had a run for a logical time from now on, if it has not had one. Who comes second waits here for the
-- end of the first one's transaction.
INSERT INTO tick (workflow, what, first, last, count, run, decided_at)
SELECT $1, 'created', $2::float8, $2, 1, $3, $4::float8
WHERE NOT EXISTS (
    SELECT FROM tick WHERE workflow = $1 AND what = 'created' AND count > 1 AND last >= $2 AND first <= $2
) AND NOT EXISTS (
    SELECT FROM run WHERE workflow = $1 AND logical_at = $2 AND parent IS NULL
)
ON CONFLICT DO NOTHING
RETURNING last;

-- taken --
-- The run that a workflow has had for a logical time.
SELECT run FROM tick WHERE workflow = $1 AND last = $2::float8 AND what = 'created'
UNION ALL
SELECT id FROM run WHERE workflow = $1 AND logical_at = $2 AND parent IS NULL
LIMIT 1;

-- keep_tick --
-- What was decided.
INSERT INTO tick (workflow, what, first, last, count, run, decided_at)
VALUES ($1, $2, $3::float8, $4::float8, $5::int8, $6, $7::float8)
ON CONFLICT (workflow, last, what) DO UPDATE SET
    first = excluded.first, count = excluded.count, run = excluded.run, decided_at = excluded.decided_at;

-- ticks --
-- What was decided about a workflow, the latest logical times first.
SELECT what, first, last, count, run, decided_at FROM tick
WHERE workflow = $1 AND (last, what) < ($2::float8, $3)
ORDER BY last DESC, what DESC LIMIT $4::int8;

-- long_histories --
-- The workflows about which more was decided than so many times.
SELECT workflow FROM tick GROUP BY workflow HAVING count(*) > $1::int8;

-- delete_tick --
-- What was decided is kept in another row.
DELETE FROM tick WHERE workflow = $1 AND last = $2::float8 AND what = $3;

-- wake --
-- Word to whoever drives these runs, when the transaction is over.
SELECT pg_notify($1, run::text) FROM unnest($2::int[]) AS woken (run);

-- lock_plans --
-- Nobody puts a run or a plan on record until the end of this transaction.
SELECT pg_advisory_xact_lock($1::int4, $2::int4);

-- lock_to_delete --
-- The lock on a run until the end of this transaction, if no session has it.
SELECT pg_try_advisory_xact_lock($1::int4, $2::int4);

-- free --
-- The row of a run's lease, locked until the end of this transaction, and whether nobody drives the run.
SELECT pid IS NULL OR heard_at NOT BETWEEN clock_timestamp() - period AND clock_timestamp() + period
FROM lease WHERE run = $1 FOR UPDATE;

-- plans_of --
-- The plans that this run followed and no other.
SELECT plan FROM followed AS mine WHERE run = $1
AND NOT EXISTS (SELECT FROM followed AS other WHERE other.plan = mine.plan AND other.run <> $1);

-- durations --
-- How long the tasks of runs of a workflow took, newest run first.
SELECT plan, body FROM duration WHERE workflow = $1 ORDER BY run DESC;

-- delete_journal --
-- The whole journal of a run.
DELETE FROM journal WHERE run = $1;

-- delete_run --
-- The row of a run, with its lease, its inbox and what it followed.
DELETE FROM run WHERE number = $1;

-- delete_plans --
-- Plans that no run follows.
DELETE FROM plan WHERE fingerprint = ANY($1);

-- stray_journals --
-- The numbers of journals that belong to no run.
SELECT DISTINCT journal.run FROM journal LEFT JOIN run ON number = journal.run WHERE number IS NULL ORDER BY 1;

-- leaseless_runs --
-- Runs without a row for their lease.
SELECT id FROM run LEFT JOIN lease ON lease.run = number WHERE lease.run IS NULL ORDER BY number;

-- planless_runs --
-- Runs that are not noted to follow the plan they began with.
SELECT id, run.plan FROM run LEFT JOIN followed ON followed.run = number AND followed.plan = run.plan
WHERE followed.run IS NULL ORDER BY number;

-- unfollowed_plans --
-- Plans that no run follows.
SELECT fingerprint FROM plan WHERE NOT EXISTS (SELECT FROM followed WHERE followed.plan = fingerprint);

-- late_cursors --
-- Runs of schedules that are due after everything is decided.
SELECT id, run.workflow FROM run JOIN schedule ON schedule.workflow = run.workflow
WHERE trigger = 'schedule' AND parent IS NULL AND logical_at > upto ORDER BY number;

-- tickless_runs --
-- Runs for a logical time of which it is not noted that the workflow has had one for it.
SELECT id, workflow FROM run WHERE logical_at IS NOT NULL AND parent IS NULL AND NOT EXISTS (
    SELECT FROM tick WHERE tick.workflow = run.workflow AND what = 'created' AND last = logical_at
) AND NOT EXISTS (
    SELECT FROM tick
    WHERE tick.workflow = run.workflow AND what = 'created' AND count > 1 AND last >= logical_at AND first <= logical_at
) ORDER BY number;
