-- Runs that ended, by when: what is forgotten first. What belongs to a run goes with its row.
CREATE INDEX runs_by_end ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX webhook_receipts_by_age ON webhook_receipts (received_at);
