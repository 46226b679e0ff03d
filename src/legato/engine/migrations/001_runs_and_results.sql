CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    targets TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    environment TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    dirty INTEGER NOT NULL,
    branch TEXT NOT NULL,
    actor TEXT NOT NULL,
    owner TEXT NOT NULL,
    parameters TEXT NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL,
    computed INTEGER NOT NULL DEFAULT 0,
    reused INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    wall_s REAL NOT NULL DEFAULT 0
);
CREATE TABLE results (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, base TEXT NOT NULL, step TEXT NOT NULL);
CREATE INDEX results_base ON results (base);
CREATE INDEX results_key ON results (key);
CREATE INDEX results_step ON results (step, seq);
CREATE TABLE executions (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '',
    attempt INTEGER NOT NULL DEFAULT 1,
    wall_s REAL NOT NULL DEFAULT 0,
    cpu_s REAL NOT NULL DEFAULT 0,
    peak_bytes INTEGER NOT NULL DEFAULT 0,
    log TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL
);
CREATE INDEX executions_run ON executions (run, seq);
CREATE INDEX executions_step ON executions (step, seq);
