-- What follows the event log.

-- How far each handler has come in each tenant's events; it moves only in the transaction that did
-- what the events ask for. A handler that fails stays where it is and tries again at `due_at`.
-- Figures of days before `kept_day` are not made again: their events are gone. `rebuilt_from` is how
-- far the handler had come when it last began anew; until there, events of kept days are counted.
CREATE TABLE event_cursors (
    tenant_id    TEXT   NOT NULL REFERENCES tenants (id),
    handler      TEXT   NOT NULL,
    event_seq    BIGINT NOT NULL DEFAULT 0,
    failures     BIGINT NOT NULL DEFAULT 0,
    problem      TEXT,
    due_at       BIGINT NOT NULL DEFAULT 0,
    rebuilt_from BIGINT NOT NULL DEFAULT 0,
    kept_day     TEXT   NOT NULL DEFAULT '',
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, handler)
);

-- How far events are forgotten: all until `event_seq`, which are all of days before `day`.
CREATE TABLE event_floors (
    tenant_id TEXT   NOT NULL PRIMARY KEY REFERENCES tenants (id),
    event_seq BIGINT NOT NULL,
    day       TEXT   NOT NULL
);

-- Sums that are made of events alone.
CREATE TABLE analytics (
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    projection TEXT   NOT NULL,
    day        TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    label      TEXT   NOT NULL,
    count      BIGINT NOT NULL,
    total      BIGINT NOT NULL,
    most       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, projection, day, subject, label)
);
