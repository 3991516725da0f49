-- How many turns a tenant gets where another one gets one, when runs of both wait for places.
ALTER TABLE tenants ADD COLUMN weight BIGINT NOT NULL DEFAULT 1;

-- The depth of a tenant's queues is read off the index, however many runs of others rest.
CREATE INDEX runs_resting ON runs (tenant_id, queue, due_at) WHERE status = 'waiting';
