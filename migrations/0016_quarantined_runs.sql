-- Runs that are set apart, found among many others by whoever counts them.
CREATE INDEX runs_quarantined ON runs (tenant_id, queue) WHERE status = 'quarantined';
