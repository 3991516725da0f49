-- The processes of an installation. Each says every few seconds that it is there, and takes its row
-- away when it ends in good order.
CREATE TABLE workers (
    id         TEXT   NOT NULL PRIMARY KEY,
    host       TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    version    TEXT   NOT NULL,
    roles      TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    slots      TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
