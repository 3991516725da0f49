-- Flows write to providers, too.

ALTER TABLE data_flows ADD COLUMN options TEXT NOT NULL DEFAULT '{}';

-- Which record here is which thing at the provider, and what was last sent and seen of it.
CREATE TABLE flow_links (
    tenant_id   TEXT   NOT NULL,
    flow_id     TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    -- The provider's id of it; empty while unknown.
    remote_id   TEXT   NOT NULL DEFAULT '',
    -- The value that says which of the provider's things it is; empty: none is known.
    matching    TEXT   NOT NULL DEFAULT '',
    -- The same in small letters.
    match_key   TEXT   NOT NULL DEFAULT '',
    -- What the provider was last known to hold of what is sent, as a JSON object; empty: nothing.
    here        TEXT   NOT NULL DEFAULT '',
    -- The digest of what the provider's thing was last mapped to; empty: never read.
    there       TEXT   NOT NULL DEFAULT '',
    -- `sending`: whether it was made is not known. `linked`. `undecided`: a person decides.
    state       TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, flow_id, key),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX flow_links_by_remote ON flow_links (tenant_id, flow_id, remote_id)
    WHERE remote_id <> '';
CREATE INDEX flow_links_by_match ON flow_links (tenant_id, flow_id, match_key)
    WHERE match_key <> '';
CREATE INDEX flow_links_sending ON flow_links (tenant_id, flow_id, key) WHERE state = 'sending';

-- How far a flow has gone through the records it sends. Moves with what was sent.
CREATE TABLE flow_scans (
    tenant_id  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    cursor     TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, flow_id),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);

-- A flow both ways refuses rows of either.
ALTER TABLE rejected_rows ADD COLUMN leg TEXT NOT NULL DEFAULT 'inbound';
DROP INDEX rejected_rows_by_source;
CREATE UNIQUE INDEX rejected_rows_by_source
    ON rejected_rows (tenant_id, flow_id, leg, source_key);
