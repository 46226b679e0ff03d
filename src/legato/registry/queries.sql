-- What the registry asks of the ledger; one name a query.

-- name: registry_models
SELECT c.model AS model, COUNT(*) AS candidates, MAX(c.at) AS at,
       (SELECT COUNT(*) FROM model_versions v WHERE v.model = c.model) AS versions
FROM model_candidates c GROUP BY c.model ORDER BY c.model;

-- name: registry_aliases
SELECT model, alias, environment, version, actor, why, at FROM model_aliases
WHERE :model IS NULL OR model = :model ORDER BY model, alias, environment;

-- name: registry_alias
SELECT model, alias, environment, version, actor, why, at FROM model_aliases
WHERE model = :model AND alias = :alias AND environment = :environment;

-- name: registry_moves
SELECT seq, model, alias, environment, before, after, actor, why, at FROM model_alias_moves
WHERE model = :model ORDER BY seq;

-- name: registry_candidates
SELECT c.number AS number, c.at AS at, e.payload AS payload,
       COALESCE((SELECT MIN(v.number) FROM model_versions v WHERE v.model = c.model AND v.candidate = c.number), 0)
           AS version
FROM model_candidates c JOIN events e ON e.seq = c.seq
WHERE c.model = :model AND e.payload IS NOT NULL ORDER BY c.number;

-- name: registry_candidate
SELECT c.number AS number, c.at AS at, e.payload AS payload,
       COALESCE((SELECT MIN(v.number) FROM model_versions v WHERE v.model = c.model AND v.candidate = c.number), 0)
           AS version
FROM model_candidates c JOIN events e ON e.seq = c.seq
WHERE c.model = :model AND c.number = :number AND e.payload IS NOT NULL;

-- name: registry_versions
SELECT v.number AS version, v.at AS created, v.actor AS actor, v.despite AS despite, v.why AS why,
       c.number AS number, c.at AS at, e.payload AS payload
FROM model_versions v JOIN model_candidates c ON c.model = v.model AND c.number = v.candidate
JOIN events e ON e.seq = c.seq
WHERE v.model = :model AND e.payload IS NOT NULL ORDER BY v.number;

-- name: registry_version
SELECT v.number AS version, v.at AS created, v.actor AS actor, v.despite AS despite, v.why AS why,
       c.number AS number, c.at AS at, e.payload AS payload
FROM model_versions v JOIN model_candidates c ON c.model = v.model AND c.number = v.candidate
JOIN events e ON e.seq = c.seq
WHERE v.model = :model AND v.number = :number AND e.payload IS NOT NULL;

-- name: registry_known
SELECT c.number AS number,
       COALESCE((SELECT MIN(v.number) FROM model_versions v WHERE v.model = c.model AND v.candidate = c.number), 0)
           AS version
FROM model_candidates c WHERE c.model = :model AND c.evidence = :evidence ORDER BY c.number LIMIT 1;

-- name: registry_last
SELECT MAX(COALESCE((SELECT MAX(number) FROM model_candidates WHERE model = :model), 0),
           COALESCE((SELECT MAX(candidate) FROM model_versions WHERE model = :model), 0)) AS candidate,
       MAX(COALESCE((SELECT MAX(number) FROM model_versions WHERE model = :model), 0),
           COALESCE((SELECT MAX(after) FROM model_alias_moves WHERE model = :model), 0)) AS version;

-- name: registry_same_bytes
SELECT v.number AS version, c.number AS number
FROM model_versions v JOIN model_candidates c ON c.model = v.model AND c.number = v.candidate
WHERE c.model = :model AND c.environment = :environment AND c.artifact = :artifact
ORDER BY v.number DESC LIMIT 1;

-- A run writes a candidate, its version and the move in one transaction, so they stand side by side, or it says
-- why it moved back to a version; any other move is a person's.
-- name: registry_moved_by_hand
SELECT 1 AS found FROM model_alias_moves m
WHERE m.seq = (SELECT MAX(seq) FROM model_alias_moves
               WHERE model = :model AND alias = :alias AND environment = :environment)
  AND m.why != :again
  AND NOT EXISTS (SELECT 1 FROM model_versions v JOIN model_candidates c
                  ON c.model = v.model AND c.number = v.candidate
                  WHERE v.model = m.model AND v.number = m.after AND c.outcome = 'pass'
                  AND v.seq = m.seq - 1 AND c.seq = m.seq - 2);
