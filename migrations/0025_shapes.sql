-- What the source of a flow looks like, and why a flow stands where no person put it.

ALTER TABLE data_flows ADD COLUMN status_reason TEXT;

CREATE TABLE flow_shapes (
    tenant_id  TEXT   NOT NULL,
    flow_id    TEXT   NOT NULL,
    shape      TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, flow_id),
    FOREIGN KEY (tenant_id, flow_id) REFERENCES data_flows (tenant_id, id) ON DELETE CASCADE
);
