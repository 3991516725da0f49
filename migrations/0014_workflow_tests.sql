-- Tests of workflows that are kept. `plan` says what is done, `expected` what should come of it; both
-- are versioned JSON.
CREATE TABLE workflow_tests (
    tenant_id   TEXT   NOT NULL,
    workflow_id TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    run_id      TEXT,
    plan        TEXT   NOT NULL,
    expected    TEXT   NOT NULL,
    created_by  TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, workflow_id, id),
    UNIQUE (tenant_id, workflow_id, name),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id) ON DELETE CASCADE
);
