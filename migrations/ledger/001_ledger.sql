-- The ledger's own file. Triggers are a seat belt for honest writers, never evidence: verification trusts bytes and hashes alone.
-- Entries, oldest first. `header` is the stored JSON text, hashed as it is; `leaf` is the entry's hash and the next entry's `prev`.
CREATE TABLE entry (
    seq    INTEGER PRIMARY KEY,
    header BLOB NOT NULL,
    prev   BLOB NOT NULL UNIQUE,
    leaf   BLOB NOT NULL UNIQUE
) STRICT;

-- Payloads that an entry commits to. salt and spool become NULL when a payload is erased.
CREATE TABLE part (
    seq   INTEGER NOT NULL REFERENCES entry (seq),
    name  TEXT NOT NULL,
    salt  BLOB,
    spool BLOB,
    PRIMARY KEY (seq, name)
) STRICT;
CREATE INDEX part_spool ON part (spool);

-- The bytes of payloads, at most 1 MiB a row. A spool that no part names is an orphan of an append that did not happen: harmless.
CREATE TABLE chunk (
    spool BLOB NOT NULL,
    n     INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (spool, n)
) STRICT;

-- Signatures over a task's result (n = seq) or over a checkpoint (n = size).
CREATE TABLE signature (
    kind  TEXT NOT NULL CHECK (kind IN ('task', 'checkpoint')),
    n     INTEGER NOT NULL,
    key   TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (kind, n, key)
) STRICT;

-- What others hold or stamped: time stamp replies, rows in other databases, tags.
CREATE TABLE anchor (
    size  INTEGER NOT NULL,
    name  TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (size, name)
) STRICT;

-- Derived: hashes of complete subtrees above the leaves, so that an append and a root cost O(log n). Never trusted.
CREATE TABLE node (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- REPLACE deletes without firing a delete trigger, so the conflict itself must be refused.
CREATE TRIGGER entry_only_appends BEFORE INSERT ON entry BEGIN
    SELECT raise(ABORT, 'an entry is appended at the end') WHERE NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM entry);
    SELECT raise(ABORT, 'prev is the last leaf') WHERE NEW.seq > 0 AND NEW.prev IS NOT (SELECT leaf FROM entry WHERE seq = NEW.seq - 1);
    SELECT raise(ABORT, 'the chain does not fork') WHERE EXISTS (SELECT 1 FROM entry WHERE leaf = NEW.leaf OR prev = NEW.prev);
END;
CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'an entry never changes'); END;
CREATE TRIGGER entry_never_goes BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'an entry is never deleted'); END;

CREATE TRIGGER part_of_newest_entry BEFORE INSERT ON part BEGIN
    SELECT raise(ABORT, 'a part belongs to the newest entry') WHERE NEW.seq IS NOT (SELECT max(seq) FROM entry);
    SELECT raise(ABORT, 'a part is written once') WHERE EXISTS (SELECT 1 FROM part WHERE seq = NEW.seq AND name = NEW.name);
END;
CREATE TRIGGER part_is_only_erased BEFORE UPDATE ON part BEGIN
    SELECT raise(ABORT, 'a part is only ever erased')
    WHERE NEW.seq IS NOT OLD.seq OR NEW.name IS NOT OLD.name OR NEW.salt IS NOT NULL OR NEW.spool IS NOT NULL;
END;
CREATE TRIGGER part_never_goes BEFORE DELETE ON part BEGIN SELECT raise(ABORT, 'a part is never deleted'); END;

CREATE TRIGGER chunk_of_no_part_yet BEFORE INSERT ON chunk BEGIN
    SELECT raise(ABORT, 'a payload is complete once a part names it') WHERE EXISTS (SELECT 1 FROM part WHERE spool = NEW.spool);
    SELECT raise(ABORT, 'a chunk is written once') WHERE EXISTS (SELECT 1 FROM chunk WHERE spool = NEW.spool AND n = NEW.n);
END;
CREATE TRIGGER chunk_never_changes BEFORE UPDATE ON chunk BEGIN SELECT raise(ABORT, 'a chunk never changes'); END;
CREATE TRIGGER chunk_goes_when_unnamed BEFORE DELETE ON chunk BEGIN
    SELECT raise(ABORT, 'a part names this chunk') WHERE EXISTS (SELECT 1 FROM part WHERE spool = OLD.spool);
END;
