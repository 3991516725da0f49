-- Values of runs that are too large for a row lie beside the database; a row holds a reference,
-- `@day.hash:bytes`, in place of the JSON.

-- The blobs that rows may refer to. A row here goes before its blob does, so that nothing refers to
-- a blob that is gone.
CREATE TABLE blobs (
    tenant_id  TEXT   NOT NULL,
    blob       TEXT   NOT NULL,
    bytes      BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, blob)
);

-- Which runs need which of them, and for how long: `run` as long as there is the run, `generation`
-- until it starts over.
CREATE TABLE run_blobs (
    tenant_id TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    blob      TEXT NOT NULL,
    part      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, blob, part),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, blob) REFERENCES blobs (tenant_id, blob)
);
CREATE INDEX run_blobs_by_blob ON run_blobs (tenant_id, blob);
