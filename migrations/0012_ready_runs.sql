-- Indexes over the rows they are asked for, so that a run that moves on leaves few of them behind.
DROP INDEX runs_ready;
DROP INDEX runs_due;
DROP INDEX runs_by_dedupe_key;
DROP INDEX runs_by_parent;

-- Runs with the same key pass one by one, or so many at once. One that has to wait is held, out of
-- the line of queued runs, until one that has begun ends.
ALTER TABLE runs ADD COLUMN concurrency_key TEXT;
ALTER TABLE runs ADD COLUMN concurrency_limit BIGINT;
ALTER TABLE runs ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX runs_by_concurrency_key ON runs (tenant_id, concurrency_key)
    WHERE concurrency_key IS NOT NULL AND finished_at IS NULL;

-- The head start of a workflow's runs, and how many of them may be under way at once.
ALTER TABLE workflows ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN concurrency TEXT;

-- Queued runs in the order a tenant's line is served: begun ones first, then by when they became
-- due, where a point of priority counts as ten seconds of waiting.
CREATE INDEX runs_ready ON runs
    (queue, held, tenant_id, (started_at IS NULL), (due_at - priority * 10000000))
    WHERE status = 'queued';
-- Resting runs, and those that are to begin later.
CREATE INDEX runs_due ON runs (due_at) WHERE status = 'waiting';
CREATE INDEX runs_under_way ON runs (tenant_id, id) WHERE status = 'running';
CREATE INDEX runs_failed ON runs (tenant_id, created_at) WHERE status = 'failed';
CREATE UNIQUE INDEX runs_by_dedupe_key ON runs (tenant_id, dedupe_key)
    WHERE dedupe_key IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (tenant_id, parent_run_id) WHERE parent_run_id IS NOT NULL;

-- What is queued and not due yet waits for its time.
UPDATE runs SET status = 'waiting' WHERE status = 'queued' AND due_at > created_at;
