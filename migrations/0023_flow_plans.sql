-- What a sync would do, kept so that it can be looked at and then done exactly.
CREATE TABLE flow_plans (
    tenant_id    TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    flow_id      TEXT   NOT NULL,
    flow_version BIGINT NOT NULL,
    -- `making`, `ready`, `applying`, `applied`.
    state        TEXT   NOT NULL,
    -- Where the flow stood when the making began, and where it stands after the plan.
    base         TEXT   NOT NULL,
    reached      TEXT   NOT NULL,
    counts       TEXT   NOT NULL DEFAULT '{}',
    -- The run that makes it, later the one that applies it.
    run_id       TEXT   NOT NULL,
    created_by   TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX flow_plans_by_flow ON flow_plans (tenant_id, flow_id, created_at);
CREATE INDEX flow_plans_by_expiry ON flow_plans (expires_at);

CREATE TABLE flow_plan_rows (
    tenant_id TEXT NOT NULL,
    plan_id   TEXT NOT NULL,
    leg       TEXT NOT NULL,
    -- Inbound what identifies the row at the provider, outbound the record's key.
    key       TEXT NOT NULL,
    -- The key of the record, whichever way it travels.
    record    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    -- What people are shown of it.
    shown     TEXT NOT NULL,
    -- What is written.
    content   TEXT NOT NULL,
    -- The digest of the decision: another one means that what it compared with has changed.
    decision  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, plan_id, leg, key),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES flow_plans (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX flow_plan_rows_by_record ON flow_plan_rows (tenant_id, plan_id, record);
