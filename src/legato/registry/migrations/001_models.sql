CREATE TABLE model_candidates (
    seq INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    number INTEGER NOT NULL,
    environment TEXT NOT NULL,
    outcome TEXT NOT NULL,
    evidence TEXT NOT NULL,
    artifact TEXT NOT NULL,
    run INTEGER NOT NULL,
    at REAL NOT NULL,
    UNIQUE (model, number)
);
CREATE INDEX model_candidates_evidence ON model_candidates (model, evidence);
CREATE INDEX model_candidates_artifact ON model_candidates (artifact);
CREATE TABLE model_versions (
    seq INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    number INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    actor TEXT NOT NULL,
    despite TEXT NOT NULL,
    why TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (model, number)
);
CREATE INDEX model_versions_candidate ON model_versions (model, candidate);
CREATE TABLE model_aliases (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    environment TEXT NOT NULL,
    version INTEGER NOT NULL,
    actor TEXT NOT NULL,
    why TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (model, alias, environment)
);
CREATE TABLE model_alias_moves (
    seq INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    environment TEXT NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    actor TEXT NOT NULL,
    why TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX model_alias_moves_model ON model_alias_moves (model, seq);
