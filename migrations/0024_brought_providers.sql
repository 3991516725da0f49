-- Providers that people bring: manifests, packs of their own, OpenAPI documents.

-- The row of a brought provider only holds its name, so that integrations can refer to it: two
-- tenants may bring two that are called the same.
ALTER TABLE providers ADD COLUMN brought BOOLEAN NOT NULL DEFAULT FALSE;

-- What was brought, as it was brought. A version never changes.
CREATE TABLE provider_versions (
    -- Whose it is; empty: everybody's.
    tenant_id    TEXT   NOT NULL,
    name         TEXT   NOT NULL REFERENCES providers (name),
    version      BIGINT NOT NULL,
    -- `manifest`, `pack` or `openapi`.
    format       TEXT   NOT NULL,
    -- The digest of all that makes it what it is.
    digest       TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    -- What lies beside a manifest: texts by path.
    files        TEXT   NOT NULL DEFAULT '{}',
    licence      TEXT   NOT NULL DEFAULT '',
    display_name TEXT   NOT NULL,
    category     TEXT   NOT NULL,
    auth_type    TEXT   NOT NULL,
    view         TEXT   NOT NULL,
    capabilities TEXT   NOT NULL,
    -- What of it runs here.
    report       TEXT   NOT NULL,
    created_by   TEXT,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name, version)
);

-- The version an integration stays with; null: the newest.
ALTER TABLE integrations ADD COLUMN provider_version BIGINT;
