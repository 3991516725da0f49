-- Versions of a workflow, immutable. One of them is live: new runs pin its definition. `actions` and
-- `conditions` hold the short form where it was written in that.
CREATE TABLE workflow_versions (
    tenant_id       TEXT    NOT NULL,
    workflow_id     TEXT    NOT NULL,
    number          BIGINT  NOT NULL,
    definition_hash TEXT    NOT NULL,
    integration_id  TEXT,
    actions         TEXT    NOT NULL,
    conditions      TEXT    NOT NULL,
    note            TEXT    NOT NULL DEFAULT '',
    live            BOOLEAN NOT NULL DEFAULT FALSE,
    created_by      TEXT,
    created_at      BIGINT  NOT NULL,
    published_at    BIGINT,
    PRIMARY KEY (tenant_id, workflow_id, number),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO workflow_versions (tenant_id, workflow_id, number, definition_hash, integration_id,
                               actions, conditions, live, created_by, created_at, published_at)
SELECT tenant_id, id, 1, definition_hash, integration_id, actions, conditions, TRUE, created_by,
       updated_at, updated_at
FROM workflows;
