-- What is told of a run in one transaction is one row: a line each in `id`, `type` and `data`, and
-- `seq` is the position of the last.
ALTER TABLE events ADD COLUMN entries BIGINT NOT NULL DEFAULT 1;
-- Events are looked up by subject only by steps that ask whether they have done something already.
DROP INDEX events_by_subject;
CREATE INDEX events_of_effects ON events (tenant_id, subject, seq)
    WHERE type IN ('collection.records.changed', 'workflow.notified');
