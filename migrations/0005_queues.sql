-- Queues that a tenant has paused: none of its runs in them begins or goes on. What an operator
-- pauses for everyone is a fact of the installation, `queue_stopped:<queue>`.
CREATE TABLE queue_pauses (
    tenant_id TEXT   NOT NULL REFERENCES tenants (id),
    queue     TEXT   NOT NULL,
    paused_at BIGINT NOT NULL,
    paused_by TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, queue)
);
CREATE INDEX queue_pauses_by_queue ON queue_pauses (queue, tenant_id);

-- The queue that the runs of a workflow wait in; its definition says so.
ALTER TABLE workflows ADD COLUMN queue TEXT NOT NULL DEFAULT 'workflow';
