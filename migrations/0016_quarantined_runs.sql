-- Runs that are set apart, found among many others by whoever counts them.
CREATE INDEX runs_quarantined ON runs (queue, tenant_id) WHERE status = 'quarantined';
