-- What starts workflows besides webhooks of providers and the clock.

-- What a trigger that watches has seen. `event_seq` is how far into the tenant's events it has
-- looked; it moves only in the transaction that started the runs. `state` is what held when a
-- condition was last looked at, null before the first look; `looks` counts the looks.
CREATE TABLE workflow_watches (
    tenant_id   TEXT   NOT NULL,
    workflow_id TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    event_seq   BIGINT NOT NULL,
    state       TEXT,
    looks       BIGINT NOT NULL DEFAULT 0,
    looked_at   BIGINT,
    problem     TEXT,
    PRIMARY KEY (tenant_id, workflow_id),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX workflow_watches_by_kind ON workflow_watches (kind, tenant_id, workflow_id);

-- An address of a workflow's own. `sealed` holds its secret, and `previous` the one before it,
-- which is taken along until `previous_until`.
CREATE TABLE workflow_endpoints (
    tenant_id      TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    workflow_id    TEXT   NOT NULL,
    sealed         TEXT   NOT NULL,
    previous       TEXT,
    previous_until BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX workflow_endpoints_by_workflow ON workflow_endpoints (tenant_id, workflow_id);
