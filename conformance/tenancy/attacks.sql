-- What mallory tries. Each block begins with its name and runs on one connection in two
-- databases, of which one has rows of other users: mallory must not be able to tell
-- which. Lines are statements of mallory unless a word says whose they are:
--   owner:      the owner of the file, in both databases
--   victim:     all other users, where there are any; on the same connection
--   elsewhere:  all other users, where there are any; on a connection of theirs
--   fails:      mallory's, and must fail

# every table, every access path
SELECT * FROM notes ORDER BY id
SELECT * FROM notes WHERE id BETWEEN 1 AND 100000
SELECT * FROM notes WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 25) ORDER BY id
SELECT * FROM notes WHERE id = 7
SELECT id FROM notes FORCE INDEX (n) WHERE n > 0 ORDER BY n DESC
SELECT id, n FROM notes FORCE INDEX (n) ORDER BY n LIMIT 1000
SELECT title FROM notes WHERE title LIKE 's3cret%'
SELECT title FROM notes WHERE title >= '' ORDER BY title DESC
SELECT id FROM notes WHERE title = 's3cret-7'
SELECT id, _deleted FROM notes ORDER BY id, _deleted
SELECT id FROM notes WHERE _deleted
SELECT COUNT(*), MIN(id), MAX(id), SUM(n), MAX(_updated) IS NULL FROM notes
SELECT * FROM loose
SELECT COUNT(*) FROM loose
SELECT * FROM tags
SELECT k, v FROM events
SELECT k, v FROM events FORCE INDEX (k) WHERE k > 0
SELECT COUNT(*) FROM events WHERE _time > '2000-01-01'
SELECT v FROM events ORDER BY _time DESC LIMIT 100
TABLE notes
SELECT DISTINCT n FROM notes ORDER BY n
SELECT n, COUNT(*) FROM notes GROUP BY n WITH ROLLUP
SELECT id, ROW_NUMBER() OVER (ORDER BY id), LAG(title) OVER (ORDER BY id), COUNT(*) OVER () FROM notes
SELECT GROUP_CONCAT(title ORDER BY id), JSON_ARRAYAGG(n) FROM notes

# joins
SELECT a.title, b.title FROM notes a JOIN notes b ORDER BY 1, 2
SELECT a.title, b.title FROM notes a LEFT JOIN notes b ON b.id > a.id ORDER BY 1, 2
SELECT a.title, b.title FROM notes a RIGHT JOIN notes b ON a.id = b.n ORDER BY 1, 2
SELECT n.title, t.tag FROM tags t JOIN notes n ON n.id = t.note ORDER BY 1, 2
SELECT n.title, t.tag FROM notes n STRAIGHT_JOIN tags t ON n.id = t.note ORDER BY 1, 2
SELECT r.name, n.title FROM rooms r LEFT JOIN notes n ON n.id = r.id ORDER BY 1, 2
SELECT r.name, COUNT(n.id) FROM rooms r LEFT JOIN notes n ON n.n >= r.id GROUP BY r.name ORDER BY 1
SELECT e.v, n.title FROM events e NATURAL JOIN notes n
SELECT e.v, l.v FROM events e JOIN loose l ORDER BY 1, 2
SELECT a.id FROM notes a JOIN notes b USING (id, title, n) JOIN notes c USING (id) ORDER BY 1
SELECT x.c FROM rooms r, LATERAL (SELECT COUNT(*) AS c FROM notes n WHERE n.id >= r.id) x ORDER BY 1
SELECT j.v FROM notes n, JSON_TABLE(CONCAT('[', n.id, ']'), '$[*]' COLUMNS (v INT PATH '$')) j ORDER BY 1

# subqueries
SELECT id FROM notes WHERE id IN (SELECT note FROM tags) ORDER BY id
SELECT id FROM notes WHERE id NOT IN (SELECT note FROM tags) ORDER BY id
SELECT (SELECT MAX(n) FROM notes), (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM loose)
SELECT id FROM rooms r WHERE EXISTS (SELECT 1 FROM notes n WHERE n.n > 999) ORDER BY id
SELECT id FROM rooms r WHERE EXISTS (SELECT 1 FROM notes n WHERE n.id = r.id AND n.n > 999)
SELECT id FROM rooms WHERE id > ALL (SELECT n FROM notes) ORDER BY id
SELECT id FROM rooms WHERE id < ANY (SELECT n FROM notes) ORDER BY id
SELECT * FROM (SELECT title FROM notes UNION SELECT v FROM loose UNION ALL SELECT v FROM events) x ORDER BY 1
SELECT title FROM notes EXCEPT SELECT v FROM loose ORDER BY 1
SELECT title FROM notes INTERSECT SELECT title FROM notes ORDER BY 1
WITH x AS (SELECT * FROM notes) SELECT a.id FROM x a JOIN x b USING (id) ORDER BY 1
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 30) SELECT i, title FROM r LEFT JOIN notes ON id = i ORDER BY i
fails: SELECT (SELECT title FROM notes)
SELECT (SELECT title FROM notes WHERE n > 900)

# views and what writes through them
SELECT * FROM titles ORDER BY id
SELECT * FROM pairs ORDER BY 1, 2
SELECT * FROM bin ORDER BY 1
UPDATE titles SET title = 'changed' WHERE id > 2
DELETE FROM titles WHERE id > 0
SELECT * FROM titles
INSERT INTO titles (title) VALUES ('through')
SELECT * FROM titles
fails: INSERT INTO small VALUES (50, 's3cret-50', 9999)
INSERT INTO small VALUES (50, 's3cret-5', 5)
SELECT * FROM small ORDER BY 1

# writes reach nobody else's rows
UPDATE notes SET body = 'overwritten'
UPDATE notes SET n = n + 1 WHERE n > 0
UPDATE notes SET id = id + 100 ORDER BY id DESC
UPDATE notes a JOIN notes b ON a.id <> b.id SET a.body = b.title WHERE a.id > 0
DELETE FROM tags
DELETE a FROM notes a JOIN notes b ON a.id >= b.id WHERE a.id > 102
UNDELETE FROM notes
UNDELETE FROM notes WHERE id > 0
DELETE FROM notes
DELETE FROM loose LIMIT 100
DELETE FROM events
SELECT COUNT(*) FROM notes
SELECT COUNT(_deleted) FROM notes
UNDELETE FROM notes ORDER BY id LIMIT 2 RETURNING id
TRUNCATE TABLE loose
TRUNCATE TABLE events
fails: TRUNCATE TABLE notes
TRUNCATE TABLE tags
REPLACE INTO notes (id, title, n) VALUES (5, 's3cret-6', 1)
INSERT INTO notes (id, title) VALUES (7, 's3cret-7') ON DUPLICATE KEY UPDATE body = 'x'
INSERT IGNORE INTO notes (id, title) VALUES (8, 's3cret-8'), (8, 's3cret-9')
SHOW WARNINGS
DELETE FROM notes WHERE id > 0 RETURNING id, title, n

# INSERT … SELECT
INSERT INTO loose SELECT title FROM notes
INSERT INTO notes (title, n) SELECT CONCAT(title, '-2'), n FROM notes
INSERT INTO rooms SELECT 1000 + id, title FROM notes
INSERT INTO tags SELECT id, title FROM notes WHERE id > 1
INSERT INTO events SELECT n, title FROM notes
REPLACE INTO notes (id, title) SELECT id, CONCAT(title, '!') FROM notes
SELECT * FROM rooms ORDER BY id
SELECT * FROM notes ORDER BY id
SELECT * FROM tags ORDER BY 1, 2
SELECT k, v FROM events
CREATE TABLE copied (id INT PRIMARY KEY, t TEXT)
INSERT INTO copied SELECT id, title FROM notes
SELECT * FROM copied ORDER BY id

# keys are each user's own
INSERT INTO notes (id, title) VALUES (4, 's3cret-4')
INSERT INTO notes (id, title) VALUES (25, 's3cret-25'), (24, 's3cret-24')
fails: INSERT INTO notes (id, title) VALUES (4, 'again')
fails: INSERT INTO notes (title) VALUES ('s3cret-4')
fails: UPDATE notes SET title = 's3cret-24' WHERE id = 25
UPDATE notes SET title = 's3cret-9' WHERE id = 25
INSERT INTO notes (title) VALUES ('next')
SELECT id, title FROM notes ORDER BY id

# foreign keys
fails: INSERT INTO tags VALUES (20, 'of another')
fails: UPDATE tags SET note = 20
INSERT INTO notes (id, title) VALUES (20, 'mine')
INSERT INTO tags VALUES (20, 'of mine')
UPDATE notes SET id = 21 WHERE id = 20
SELECT * FROM tags ORDER BY 1, 2
DELETE FROM notes WHERE id IN (1, 21)
SELECT * FROM tags ORDER BY 1, 2
fails: UNDELETE FROM tags
INSERT INTO kept VALUES (2)
fails: DELETE FROM notes WHERE id = 2
fails: UPDATE notes SET id = 3000 WHERE id = 2
DELETE FROM kept
DELETE FROM notes WHERE id = 2
SET foreign_key_checks = 0
INSERT INTO tags VALUES (25, 'unchecked')
SET foreign_key_checks = 1
SELECT n.title, t.tag FROM tags t LEFT JOIN notes n ON n.id = t.note ORDER BY 2

# numbers
SELECT LAST_INSERT_ID()
INSERT INTO notes (title) VALUES ('a')
victim: INSERT INTO notes (title) VALUES ('s3cret-a'), ('s3cret-b'), ('s3cret-c')
SELECT LAST_INSERT_ID()
SELECT ROW_COUNT(), FOUND_ROWS()
INSERT INTO notes (title) VALUES ('b')
SELECT LAST_INSERT_ID()
elsewhere: INSERT INTO notes (title) VALUES ('s3cret-d'), ('s3cret-e'), ('s3cret-f')
SELECT LAST_INSERT_ID()
INSERT INTO notes (title) VALUES ('c'), ('d')
elsewhere: INSERT INTO notes (id, title) VALUES (100000, 's3cret-g')
INSERT INTO notes (title) VALUES ('e')
INSERT INTO log (what) VALUES ('by hand')
SELECT id, title FROM notes ORDER BY id
SELECT id, what FROM log ORDER BY id
INSERT INTO loose VALUES ('x')
elsewhere: INSERT INTO loose VALUES ('s3cret')
INSERT INTO loose VALUES ('y')
SELECT * FROM loose
ALTER TABLE notes AUTO_INCREMENT = 500
INSERT INTO notes (title) VALUES ('f')
SELECT MAX(id) FROM notes
SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'default' ORDER BY 1

# what a session remembers
victim: SELECT * FROM notes WHERE n >= 1000
SELECT FOUND_ROWS(), ROW_COUNT(), LAST_INSERT_ID()
victim: SET @a = 's3cret'
SELECT @a
victim: PREPARE p FROM 'SELECT title FROM notes'
fails: EXECUTE p
victim: INSERT IGNORE INTO notes (id, title) VALUES (1, 's3cret-1')
SHOW WARNINGS
SHOW COUNT(*) WARNINGS
SELECT @@warning_count, @@error_count
victim: SELECT GET_LOCK('l', 0)
SET @mine = 5
victim: SELECT 1
SELECT @mine

# statistics
owner: ANALYZE TABLE notes, tags, loose, events, rooms
owner: ANALYZE TABLE notes UPDATE HISTOGRAM ON n, title
fails: ANALYZE TABLE notes
fails: ANALYZE TABLE notes UPDATE HISTOGRAM ON n
EXPLAIN SELECT * FROM notes WHERE n > 900
EXPLAIN FORMAT=TREE SELECT * FROM notes WHERE n > 900
EXPLAIN FORMAT=JSON SELECT * FROM notes WHERE n = 1007
EXPLAIN SELECT * FROM notes WHERE title = 's3cret-7'
EXPLAIN SELECT * FROM notes a JOIN tags t ON t.note = a.id JOIN notes b ON b.n = a.n
EXPLAIN SELECT * FROM events WHERE k = 1
EXPLAIN UPDATE notes SET n = 1 WHERE n > 900
EXPLAIN DELETE FROM notes WHERE n > 900
EXPLAIN ANALYZE SELECT * FROM notes WHERE n > 0
EXPLAIN ANALYZE SELECT * FROM notes FORCE INDEX (n) WHERE n > 0 ORDER BY n
EXPLAIN ANALYZE SELECT * FROM notes a JOIN notes b ON a.id < b.id
EXPLAIN ANALYZE SELECT COUNT(*) FROM notes WHERE _deleted
EXPLAIN ANALYZE SELECT * FROM pairs
EXPLAIN ANALYZE SELECT * FROM events
EXPLAIN ANALYZE SELECT n.title FROM rooms r JOIN notes n ON n.id = r.id
EXPLAIN ANALYZE SELECT id FROM notes WHERE id IN (SELECT note FROM tags)
SHOW INDEX FROM notes
SHOW INDEX FROM tags
SHOW TABLE STATUS
SHOW TABLE STATUS LIKE 'notes'
SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'default' ORDER BY TABLE_NAME
SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'default' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'default' ORDER BY TABLE_NAME, ORDINAL_POSITION
SHOW CREATE TABLE notes
SHOW COUNT(*) ERRORS
DESCRIBE notes

# checks
fails: CHECK TABLE notes, tags, loose, events, log
fails: CHECK TABLE notes EXTENDED
fails: CHECK TABLE notes QUICK

# definitions change for all, and say nothing of others' rows
CREATE INDEX i ON notes (body(10))
SELECT id FROM notes FORCE INDEX (i) WHERE body >= '' ORDER BY body
ALTER TABLE notes ADD COLUMN extra INT NOT NULL DEFAULT 5
SELECT id, extra FROM notes ORDER BY id
ALTER TABLE notes MODIFY n BIGINT
ALTER TABLE notes ADD COLUMN rank_ INT AS (n * 2)
SELECT id, n, rank_ FROM notes ORDER BY id
DROP INDEX i ON notes
ALTER TABLE notes DROP COLUMN body
SELECT * FROM notes ORDER BY id
ALTER TABLE loose ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY
SELECT * FROM loose ORDER BY id
ALTER TABLE loose RENAME TO loose2
SELECT * FROM loose2 ORDER BY id

# triggers
INSERT INTO notes (title) VALUES ('triggering')
SELECT id, what FROM log ORDER BY id
elsewhere: INSERT INTO notes (title) VALUES ('s3cret-trigger')
SELECT id, what FROM log ORDER BY id
UPDATE notes SET body = 'seen' WHERE id = 1
SELECT id, what FROM log ORDER BY id
CREATE TRIGGER spy AFTER INSERT ON notes FOR EACH ROW INSERT INTO loose VALUES (NEW.title)
elsewhere: INSERT INTO notes (title) VALUES ('s3cret-spied')
SELECT * FROM loose
INSERT INTO notes (title) VALUES ('spied')
SELECT * FROM loose

# names that are not names
fails: SELECT * FROM `notes\0alice`
fails: SELECT * FROM `alice`.`notes`
fails: SELECT * FROM `notes``; SELECT 1`
fails: SELECT `notes`.`_user` FROM notes
fails: SELECT _rowid FROM notes
fails: SELECT user FROM notes
SELECT 'alice' AS `user`, CURRENT_USER(), USER(), SESSION_USER(), SYSTEM_USER()
SELECT id FROM notes WHERE title = 'x'' OR ''1''=''1'
SELECT id FROM notes WHERE title = '\' OR 1=1 -- '
SELECT COUNT(*) FROM notes WHERE 1 = 1 OR 's3cret' = 's3cret' -- ' AND user = 'alice'
CREATE USER TABLE `odd.``name` (id INT PRIMARY KEY, `user` INT)
victim: SELECT 1
INSERT INTO `odd.``name` VALUES (1, 1)
SELECT * FROM `odd.``name` WHERE `user` = 1 OR 1 = 1
fails: EXECUTE AS USER 'alice' (SELECT * FROM notes)
fails: EXECUTE AS USER X'616C696365' (SELECT * FROM notes)
fails: EXECUTE AS USER '' (SELECT * FROM notes)
fails: EXECUTE AS USER 'system' (SELECT * FROM notes)
fails: EXECUTE AS USER 'mallory' (EXECUTE AS USER 'alice' (SELECT * FROM notes))
EXECUTE AS USER 'mallory' (SELECT id FROM notes ORDER BY id)
fails: SELECT * FROM notes AS OF USER alice
fails: SET user = 'alice'
fails: SET @@user = 'alice'

# transactions
BEGIN
SELECT COUNT(*) FROM notes
elsewhere: INSERT INTO notes (title) VALUES ('s3cret-tx')
INSERT INTO notes (id, title) VALUES (40, 'in tx')
elsewhere: INSERT INTO notes (id, title) VALUES (40, 's3cret-40')
SELECT id, title FROM notes ORDER BY id FOR UPDATE
elsewhere: UPDATE notes SET n = n + 1
UPDATE notes SET n = n + 1
elsewhere: DELETE FROM notes WHERE id = 40
SAVEPOINT s
DELETE FROM notes
ROLLBACK TO s
COMMIT
SELECT id, title, n FROM notes ORDER BY id
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
elsewhere: DELETE FROM notes WHERE id > 5
SELECT id FROM notes ORDER BY id
COMMIT
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
BEGIN
SELECT COUNT(*), SUM(n) FROM notes
elsewhere: INSERT INTO notes (title, n) VALUES ('s3cret-ser', 5)
elsewhere: UPDATE notes SET n = n + 5
INSERT INTO notes (title, n) VALUES ('ser', 6)
COMMIT
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
BEGIN
SELECT COUNT(*) FROM notes
elsewhere: INSERT INTO notes (title, n) VALUES ('s3cret-rc', 5)
SELECT COUNT(*) FROM notes
SELECT id FROM notes WHERE n > 0 FOR UPDATE SKIP LOCKED
SELECT id FROM notes WHERE n > 0 FOR SHARE NOWAIT
ROLLBACK

# a large change locks and conflicts with nobody else's
BEGIN
INSERT INTO loose SELECT REPEAT('m', 100) FROM numbers
elsewhere: INSERT INTO loose VALUES ('s3cret-large')
UPDATE notes SET n = 5
elsewhere: UPDATE notes SET n = n + 1
COMMIT
SELECT COUNT(*) FROM loose
BEGIN
SELECT COUNT(*) FROM loose
elsewhere: INSERT INTO loose SELECT REPEAT('s3cret', 20) FROM numbers
elsewhere: UPDATE notes SET n = n + 1
INSERT INTO loose VALUES ('more')
UPDATE notes SET n = 6
COMMIT
SELECT COUNT(*) FROM loose

# other ways out
SHOW PROCESSLIST
SHOW FULL PROCESSLIST
SELECT USER, INFO FROM information_schema.PROCESSLIST
SHOW GRANTS
SHOW TABLES
SHOW FULL TABLES
SHOW DATABASES
SELECT GET_LOCK('mine', 0), IS_USED_LOCK('mine') = CONNECTION_ID(), RELEASE_LOCK('mine')
SELECT * FROM notes WHERE n > 900 INTO @a, @b, @c, @d
SELECT @a, @b, @c, @d
fails: SELECT * FROM notes INTO OUTFILE '/tmp/x'

# dumps
owner: EXECUTE AS USER 'mallory' (INSERT INTO notes (title) VALUES ('given by the owner'))
SELECT id, title FROM notes ORDER BY id
owner: EXECUTE AS USER 'mallory' (DELETE FROM notes WHERE id > 2)
SELECT id, title FROM notes ORDER BY id
