-- Events and receipts are small and come in the order of their keys, or are found by them only: on
-- SQLite a row that lies in the index of its key is one row to write and not two.
CREATE TABLE events_by_key (
    tenant_id TEXT   NOT NULL,
    seq       BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    type      TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    data      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) WITHOUT ROWID;
INSERT INTO events_by_key (tenant_id, seq, id, type, subject, data, at)
    SELECT tenant_id, seq, id, type, subject, data, at FROM events ORDER BY tenant_id, seq;
DROP TABLE events;
ALTER TABLE events_by_key RENAME TO events;
CREATE INDEX events_by_subject ON events (tenant_id, subject, seq);

CREATE TABLE receipts_by_key (
    tenant_id   TEXT   NOT NULL,
    endpoint_id TEXT   NOT NULL,
    dedupe_id   TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id, dedupe_id)
) WITHOUT ROWID;
INSERT INTO receipts_by_key (tenant_id, endpoint_id, dedupe_id, received_at)
    SELECT tenant_id, endpoint_id, dedupe_id, received_at FROM webhook_receipts
    ORDER BY tenant_id, endpoint_id, dedupe_id;
DROP TABLE webhook_receipts;
ALTER TABLE receipts_by_key RENAME TO webhook_receipts;
CREATE INDEX webhook_receipts_by_age ON webhook_receipts (received_at);
