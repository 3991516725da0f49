-- Who is told of what went wrong.

-- Of which events a tenant is told, and how. Events until `from_seq` happened before anyone asked;
-- `last_due` is when the last notification was to go out.
CREATE TABLE notification_rules (
    tenant_id     TEXT   NOT NULL REFERENCES tenants (id),
    id            TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    events        TEXT   NOT NULL,
    severity      TEXT   NOT NULL,
    subjects      TEXT   NOT NULL,
    channel       TEXT   NOT NULL,
    throttle_secs BIGINT NOT NULL,
    enabled       BOOLEAN NOT NULL DEFAULT TRUE,
    from_seq      BIGINT NOT NULL,
    last_due      BIGINT NOT NULL DEFAULT 0,
    created_by    TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);

-- Events of a rule, gathered, on their way to people. One that has been tried gathers no more.
-- `attempts` is also the fencing token: each attempt raises it and moves `due_at` to the end of its
-- lease.
CREATE TABLE notifications (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    rule_id     TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    events      BIGINT NOT NULL,
    last_seq    BIGINT NOT NULL,
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    samples     TEXT   NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    problem     TEXT,
    due_at      BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, rule_id)
        REFERENCES notification_rules (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX notifications_due ON notifications (status, due_at);
CREATE INDEX notifications_by_rule ON notifications (tenant_id, rule_id, created_at);
CREATE INDEX notifications_by_time ON notifications (tenant_id, created_at);
CREATE INDEX notifications_ended ON notifications (finished_at);
