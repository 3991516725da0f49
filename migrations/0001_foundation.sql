-- One schema for SQLite and PostgreSQL: TEXT, BIGINT and BOOLEAN only, ids made by the application.
-- Times are microseconds since the epoch (BIGINT). JSON is TEXT. Every tenant-owned table starts
-- its key with tenant_id, and references carry it, so that a foreign reference cannot be stored.

-- Facts about this installation: schema of secrets, check value of the master key, set-up state.
CREATE TABLE installation (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    plan       TEXT   NOT NULL DEFAULT 'trial',
    status     TEXT   NOT NULL DEFAULT 'active',
    timezone   TEXT   NOT NULL DEFAULT 'UTC',
    sandbox    BOOLEAN NOT NULL DEFAULT FALSE,
    event_seq  BIGINT NOT NULL DEFAULT 0,
    audit_seq  BIGINT NOT NULL DEFAULT 0,
    audit_head TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Data keys of the envelope encryption, wrapped by the master key.
CREATE TABLE data_keys (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    id         TEXT   NOT NULL,
    wrapped    TEXT   NOT NULL,
    master_id  TEXT   NOT NULL,
    active     BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE users (
    tenant_id     TEXT   NOT NULL REFERENCES tenants (id),
    id            TEXT   NOT NULL,
    email         TEXT   NOT NULL UNIQUE,
    name          TEXT   NOT NULL DEFAULT '',
    password_hash TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    external_id   BIGINT,
    status        TEXT   NOT NULL DEFAULT 'active',
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX users_by_external_id ON users (tenant_id, external_id);

-- Console logins: the cookie's hash, never the cookie.
CREATE TABLE logins (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    secret_hash TEXT   NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

-- Refresh tokens rotate; a used one that comes back revokes its whole family.
CREATE TABLE refresh_tokens (
    tenant_id  TEXT   NOT NULL,
    token_hash TEXT   NOT NULL PRIMARY KEY,
    family_id  TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    revoked_at BIGINT,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (tenant_id, family_id);

CREATE TABLE api_keys (
    tenant_id    TEXT   NOT NULL REFERENCES tenants (id),
    id           TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    prefix       TEXT   NOT NULL,
    secret_hash  TEXT   NOT NULL UNIQUE,
    role         TEXT   NOT NULL,
    user_id      TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

-- One-time links: owner set-up.
CREATE TABLE setup_links (
    secret_hash TEXT   NOT NULL PRIMARY KEY,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);

-- Failed sign-ins, for throttling by account and by address.
CREATE TABLE login_attempts (
    subject    TEXT   NOT NULL PRIMARY KEY,
    failures   BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE providers (
    name         TEXT   NOT NULL PRIMARY KEY,
    display_name TEXT   NOT NULL,
    category     TEXT   NOT NULL,
    auth_type    TEXT   NOT NULL,
    pack_hash    TEXT   NOT NULL,
    view         TEXT   NOT NULL,
    capabilities TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

CREATE TABLE integrations (
    tenant_id       TEXT   NOT NULL REFERENCES tenants (id),
    id              TEXT   NOT NULL,
    provider        TEXT   NOT NULL REFERENCES providers (name),
    name            TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    settings        TEXT   NOT NULL DEFAULT '{}',
    sync_config     TEXT   NOT NULL DEFAULT '{}',
    health_score    BIGINT NOT NULL DEFAULT 100,
    api_calls_limit BIGINT NOT NULL DEFAULT 0,
    last_error      TEXT,
    created_by      TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    version         BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);

-- The sealed secrets of an integration. `refreshing_since` is the lease of a single-flight refresh.
CREATE TABLE credentials (
    tenant_id        TEXT   NOT NULL,
    integration_id   TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    kind             TEXT   NOT NULL,
    state            TEXT   NOT NULL,
    sealed           TEXT   NOT NULL,
    fields           TEXT   NOT NULL DEFAULT '[]',
    origin           TEXT,
    expires_at       BIGINT,
    refreshing_since BIGINT,
    refresh_attempts BIGINT NOT NULL DEFAULT 0,
    generation       BIGINT NOT NULL DEFAULT 1,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, integration_id),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);

-- OAuth round trips under way. `sealed` holds the PKCE verifier.
CREATE TABLE oauth_states (
    state_hash     TEXT   NOT NULL PRIMARY KEY,
    tenant_id      TEXT   NOT NULL,
    integration_id TEXT   NOT NULL,
    provider       TEXT   NOT NULL,
    session_hash   TEXT   NOT NULL,
    sealed         TEXT   NOT NULL,
    redirect_uri   TEXT   NOT NULL,
    return_to      TEXT   NOT NULL DEFAULT '',
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);

-- Addresses at which providers deliver webhooks: /hooks/{tenant}/{endpoint}.
CREATE TABLE webhook_endpoints (
    tenant_id      TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    integration_id TEXT   NOT NULL,
    provider       TEXT   NOT NULL,
    sealed         TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_endpoints_by_integration
    ON webhook_endpoints (tenant_id, integration_id);

-- Provider event ids already taken, so that a replayed webhook starts nothing.
CREATE TABLE webhook_receipts (
    tenant_id   TEXT   NOT NULL,
    endpoint_id TEXT   NOT NULL,
    dedupe_id   TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id, dedupe_id)
);

-- Calls made to a provider, per day.
CREATE TABLE api_usage (
    tenant_id      TEXT   NOT NULL,
    integration_id TEXT   NOT NULL,
    day            TEXT   NOT NULL,
    calls          BIGINT NOT NULL DEFAULT 0,
    failures       BIGINT NOT NULL DEFAULT 0,
    throttled      BIGINT NOT NULL DEFAULT 0,
    saved_calls    BIGINT NOT NULL DEFAULT 0,
    millis         BIGINT NOT NULL DEFAULT 0,
    -- Of the provider's budget, as it last said; null when it never did.
    used           BIGINT,
    PRIMARY KEY (tenant_id, integration_id, day),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE collections (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- `hash` is that of the fields last written, by `source` (a flow, a run, a person); `origin` is
-- the integration whose identifier the key holds, '' when it came from no integration.
CREATE TABLE records (
    tenant_id  TEXT   NOT NULL,
    collection TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    data       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    source     TEXT   NOT NULL DEFAULT '',
    origin     TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, collection, key),
    FOREIGN KEY (tenant_id, collection) REFERENCES collections (tenant_id, name) ON DELETE CASCADE
);

CREATE TABLE data_flows (
    tenant_id            TEXT   NOT NULL,
    id                   TEXT   NOT NULL,
    integration_id       TEXT   NOT NULL,
    name                 TEXT   NOT NULL,
    direction            TEXT   NOT NULL,
    status               TEXT   NOT NULL,
    stream               TEXT   NOT NULL,
    destination          TEXT   NOT NULL,
    source_fields        TEXT   NOT NULL DEFAULT '[]',
    target_fields        TEXT   NOT NULL DEFAULT '[]',
    transformation_rules TEXT   NOT NULL DEFAULT '{}',
    conflict_policy      TEXT   NOT NULL DEFAULT 'newest',
    sync_frequency       TEXT   NOT NULL DEFAULT 'daily',
    records_processed    BIGINT NOT NULL DEFAULT 0,
    records_failed       BIGINT NOT NULL DEFAULT 0,
    last_run_id          TEXT,
    last_synced_at       BIGINT,
    next_due_at          BIGINT,
    created_by           TEXT,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    version              BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX data_flows_due ON data_flows (next_due_at);

-- How far a flow has read. Moves only in the transaction that wrote the rows.
CREATE TABLE flow_cursors (
    tenant_id  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    cursor     TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, flow_id),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE rejected_rows (
    tenant_id   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    flow_id     TEXT   NOT NULL,
    run_id      TEXT   NOT NULL,
    source_key  TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    errors      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    replayed_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX rejected_rows_by_source ON rejected_rows (tenant_id, flow_id, source_key);

CREATE TABLE workflows (
    tenant_id       TEXT   NOT NULL REFERENCES tenants (id),
    id              TEXT   NOT NULL,
    integration_id  TEXT,
    name            TEXT   NOT NULL,
    trigger_type    TEXT   NOT NULL,
    trigger_config  TEXT   NOT NULL DEFAULT '{}',
    actions         TEXT   NOT NULL DEFAULT '[]',
    conditions      TEXT   NOT NULL DEFAULT '{}',
    status          TEXT   NOT NULL,
    definition_hash TEXT   NOT NULL,
    execution_count BIGINT NOT NULL DEFAULT 0,
    success_count   BIGINT NOT NULL DEFAULT 0,
    next_due_at     BIGINT,
    created_by      TEXT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    version         BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX workflows_due ON workflows (next_due_at);
CREATE INDEX workflows_by_trigger ON workflows (tenant_id, trigger_type, status);

-- Immutable, by content: a run pins the hash it started with.
CREATE TABLE workflow_definitions (
    tenant_id  TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    definition TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

-- One durable execution of any kind. `claims` is its fencing token: each engine that takes the run
-- raises it, and whoever took it earlier can no longer write. `continued` is what the present
-- generation of a workflow that starts over began with.
CREATE TABLE runs (
    tenant_id       TEXT   NOT NULL REFERENCES tenants (id),
    id              TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    queue           TEXT   NOT NULL,
    priority        BIGINT NOT NULL DEFAULT 0,
    status          TEXT   NOT NULL,
    subject_id      TEXT   NOT NULL,
    definition_hash TEXT   NOT NULL DEFAULT '',
    interp_version  BIGINT NOT NULL DEFAULT 0,
    dedupe_key      TEXT,
    trigger         TEXT   NOT NULL DEFAULT 'manual',
    input           TEXT   NOT NULL DEFAULT '{}',
    output          TEXT,
    error           TEXT,
    progress        TEXT,
    started_by      TEXT   NOT NULL DEFAULT 'system',
    parent_run_id   TEXT,
    parent_step_id  TEXT,
    attempts        BIGINT NOT NULL DEFAULT 0,
    crashes         BIGINT NOT NULL DEFAULT 0,
    claims          BIGINT NOT NULL DEFAULT 0,
    continued       TEXT,
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    due_at          BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    started_at      BIGINT,
    finished_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX runs_by_dedupe_key ON runs (tenant_id, dedupe_key);
CREATE INDEX runs_ready ON runs (status, queue, priority DESC, due_at);
CREATE INDEX runs_due ON runs (status, queue, due_at);
CREATE INDEX runs_by_subject ON runs (tenant_id, subject_id, created_at);
CREATE INDEX runs_by_parent ON runs (tenant_id, parent_run_id);
CREATE INDEX runs_by_time ON runs (tenant_id, created_at);

-- The order in which a run learnt things. Replaying it rebuilds the run's state.
CREATE TABLE journal (
    tenant_id TEXT   NOT NULL,
    run_id    TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    event     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, seq),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);

-- What each step did: the view people read, and the attempts the driver resumes from.
CREATE TABLE run_steps (
    tenant_id    TEXT   NOT NULL,
    run_id       TEXT   NOT NULL,
    step_id      TEXT   NOT NULL,
    position     BIGINT NOT NULL,
    name         TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    input        TEXT   NOT NULL DEFAULT 'null',
    output       TEXT,
    error        TEXT,
    compensation BOOLEAN NOT NULL DEFAULT FALSE,
    next_attempt_at BIGINT,
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    PRIMARY KEY (tenant_id, run_id, step_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE step_attempts (
    tenant_id   TEXT   NOT NULL,
    run_id      TEXT   NOT NULL,
    step_id     TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,
    error       TEXT,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (tenant_id, run_id, step_id, attempt),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);

-- Signals wait here until the run has read them into its journal.
CREATE TABLE run_signals (
    tenant_id TEXT   NOT NULL,
    run_id    TEXT   NOT NULL,
    id        TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    sent_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);

-- What a step did to the outside world, written before and after the call.
CREATE TABLE effects (
    tenant_id      TEXT   NOT NULL,
    key            TEXT   NOT NULL,
    run_id         TEXT   NOT NULL,
    step_id        TEXT   NOT NULL,
    action         TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    attempts       BIGINT NOT NULL DEFAULT 1,
    answer         TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE
);

-- Facts that happened, in the order each tenant saw them.
CREATE TABLE events (
    tenant_id TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    type      TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    data      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE INDEX events_by_subject ON events (tenant_id, subject, seq);

-- Who did what. Each row's hash covers the one before it.
CREATE TABLE audit (
    tenant_id TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    actor     TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    target    TEXT   NOT NULL,
    outcome   TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    previous  TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE INDEX audit_by_target ON audit (tenant_id, target, seq);

CREATE TABLE health_logs (
    tenant_id      TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    integration_id TEXT,
    severity       TEXT   NOT NULL,
    operation      TEXT   NOT NULL,
    code           TEXT   NOT NULL,
    message        TEXT   NOT NULL,
    suggestion     TEXT   NOT NULL DEFAULT '',
    run_id         TEXT,
    occurrences    BIGINT NOT NULL DEFAULT 1,
    created_at     BIGINT NOT NULL,
    last_at        BIGINT NOT NULL,
    resolved_at    BIGINT,
    resolved_by    TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, integration_id)
        REFERENCES integrations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX health_logs_open ON health_logs (tenant_id, integration_id, resolved_at);
-- The same problem again counts up: one open row for each.
CREATE UNIQUE INDEX health_logs_once ON health_logs
    (tenant_id, (COALESCE(integration_id, '')), operation, code) WHERE resolved_at IS NULL;
CREATE INDEX health_logs_by_time ON health_logs (tenant_id, last_at);

-- First answers to requests with an Idempotency-Key. `claim` is the fence: only the request that
-- holds it can have its effect. `state` is claimed, applied (the effect is durable) or answered.
-- `answer` is sealed, because an answer may show a new secret.
CREATE TABLE idempotency (
    tenant_id     TEXT   NOT NULL,
    principal     TEXT   NOT NULL,
    route         TEXT   NOT NULL,
    key           TEXT   NOT NULL,
    request_hash  TEXT   NOT NULL,
    claim         TEXT   NOT NULL,
    claimed_until BIGINT NOT NULL,
    state         TEXT   NOT NULL,
    subject       TEXT   NOT NULL DEFAULT '',
    answer        TEXT,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, principal, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
