-- What a run learns in one transaction is one row: entries one after the other, a line each.
ALTER TABLE journal ADD COLUMN entries BIGINT NOT NULL DEFAULT 1;
