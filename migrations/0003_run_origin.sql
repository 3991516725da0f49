-- Where a run comes from that repeats another one: that run, and the position of its journal or the
-- step from which it goes on. Few runs have one, so the index is small.
ALTER TABLE runs ADD COLUMN origin_run_id TEXT;
ALTER TABLE runs ADD COLUMN origin_position BIGINT;
ALTER TABLE runs ADD COLUMN origin_step TEXT;
CREATE INDEX runs_by_origin ON runs (tenant_id, origin_run_id) WHERE origin_run_id IS NOT NULL;

-- Whether a step was not carried out by this run, but taken over from its origin.
ALTER TABLE run_steps ADD COLUMN reused BOOLEAN NOT NULL DEFAULT FALSE;
