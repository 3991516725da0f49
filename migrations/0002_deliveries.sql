-- Outgoing webhooks.

-- Who is told of which events. `event_seq` is how far into the tenant's events deliveries have been
-- made for it; it moves only in the transaction that made them. `sealed` holds the secret, and
-- `previous` the one before it, which signs along until `previous_until`.
CREATE TABLE webhook_subscriptions (
    tenant_id      TEXT   NOT NULL REFERENCES tenants (id),
    id             TEXT   NOT NULL,
    url            TEXT   NOT NULL,
    events         TEXT   NOT NULL,
    description    TEXT   NOT NULL DEFAULT '',
    enabled        BOOLEAN NOT NULL DEFAULT TRUE,
    disabled       TEXT,
    sealed         TEXT   NOT NULL,
    previous       TEXT,
    previous_until BIGINT,
    event_seq      BIGINT NOT NULL,
    failing_since  BIGINT,
    created_by     TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX webhook_subscriptions_enabled ON webhook_subscriptions (enabled, tenant_id, id);

-- An event on its way to a subscriber; the event itself stays in `events`. `claims` is the fencing
-- token of attempts: each one that begins raises it and moves `due_at` to when its lease ends.
CREATE TABLE webhook_deliveries (
    tenant_id       TEXT   NOT NULL,
    id              TEXT   NOT NULL,
    subscription_id TEXT   NOT NULL,
    event_seq       BIGINT NOT NULL,
    event           TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    total_attempts  BIGINT NOT NULL DEFAULT 0,
    claims          BIGINT NOT NULL DEFAULT 0,
    due_at          BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, subscription_id)
        REFERENCES webhook_subscriptions (tenant_id, id) ON DELETE CASCADE
);
-- An event is delivered once to each subscription, whoever makes the delivery.
CREATE UNIQUE INDEX webhook_deliveries_once
    ON webhook_deliveries (tenant_id, subscription_id, event_seq);
CREATE INDEX webhook_deliveries_due
    ON webhook_deliveries (tenant_id, subscription_id, status, due_at);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (tenant_id, created_at);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (finished_at);

CREATE TABLE delivery_attempts (
    tenant_id   TEXT   NOT NULL,
    delivery_id TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    millis      BIGINT NOT NULL,
    status      BIGINT,
    error       TEXT,
    message     TEXT   NOT NULL DEFAULT '',
    response    TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id)
        REFERENCES webhook_deliveries (tenant_id, id) ON DELETE CASCADE
);
