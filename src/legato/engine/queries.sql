-- What the engine asks of the ledger; one name a query.

-- name: results_by_base
SELECT e.payload AS payload FROM results r JOIN events e ON e.seq = r.seq
WHERE r.base = :base ORDER BY r.seq DESC LIMIT 50;

-- name: result_by_key
SELECT e.payload AS payload FROM results r JOIN events e ON e.seq = r.seq
WHERE r.key = :key ORDER BY r.seq DESC LIMIT 1;

-- name: last_result_of_step
SELECT e.payload AS payload FROM results r JOIN events e ON e.seq = r.seq
WHERE r.step = :step ORDER BY r.seq DESC LIMIT 1;

-- name: last_execution_of_step
SELECT * FROM executions WHERE step = :step ORDER BY seq DESC LIMIT 1;

-- name: next_run
SELECT COALESCE(MAX(number), 0) + 1 AS number FROM runs;

-- name: runs
SELECT * FROM runs ORDER BY number DESC LIMIT :limit;

-- name: run
SELECT * FROM runs WHERE number = :number;

-- name: executions
SELECT * FROM executions WHERE run = :run ORDER BY seq;

-- name: runs_with_step
SELECT run, key FROM executions WHERE step = :step AND state IN ('computed', 'reused') ORDER BY seq DESC LIMIT :limit;

-- name: cancel_asked
SELECT actor, at FROM cancels WHERE run = :run ORDER BY seq LIMIT 1;

-- name: last_keys
SELECT step, key FROM executions WHERE seq IN (
    SELECT MAX(seq) FROM executions
    WHERE step IN (SELECT value FROM json_each(:steps)) AND state IN ('computed', 'reused') GROUP BY step
);

-- name: result_before
SELECT e.payload AS payload FROM results r JOIN events e ON e.seq = r.seq
WHERE r.step = :step AND r.seq < (
    SELECT MAX(seq) FROM executions WHERE run = :run AND step = :step AND state = 'computed'
) ORDER BY r.seq DESC LIMIT 1;

-- name: times
SELECT step, wall_s FROM (
    SELECT step, wall_s, ROW_NUMBER() OVER (PARTITION BY step ORDER BY seq DESC) AS place
    FROM executions WHERE state = 'computed' AND step IN (SELECT value FROM json_each(:steps))
) AS lately WHERE place <= :lately;

-- name: times_of_family
SELECT wall_s FROM executions
WHERE state = 'computed' AND step >= :low AND step < :high ORDER BY seq DESC LIMIT :lately;

-- name: runs_like
SELECT * FROM runs r WHERE (:branch = '' OR r.branch = :branch) AND (:actor = '' OR r.actor = :actor)
AND (:step = '' OR EXISTS (SELECT 1 FROM executions e WHERE e.run = r.number AND e.step = :step))
AND (:before = 0 OR r.number < :before)
ORDER BY r.number DESC LIMIT :limit;
