package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// subscriber reads a live query in a session of its own.
type subscriber struct {
	t    *testing.T
	rows *Rows
	seqs []uint64
	pend []string
}

// subscribe runs SUBSCRIBE as a user.
func subscribe(t *testing.T, e *Engine, user, sql string, args ...Arg) *subscriber {
	t.Helper()
	s := newSession(t, e, SessionConfig{User: user})
	rows, err := s.Query(t.Context(), sql, args)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	t.Cleanup(func() { rows.Close() })
	return &subscriber{t: t, rows: rows}
}

// next reads n changes, each as "kind|value|…;", those of a commit in any order that
// keys have.
func (s *subscriber) next(n int) string {
	s.t.Helper()
	for len(s.pend) < n {
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		b, err := s.rows.Next(ctx)
		cancel()
		if err != nil {
			s.t.Fatalf("after %q: %v", s.pend, err)
		}
		for i := range b.Len {
			var line []string
			for c, v := range b.Columns {
				switch x := v.Value(i); {
				case c == 1:
					s.seqs = append(s.seqs, x.Uint())
				case x.IsNull():
					line = append(line, "NULL")
				default:
					line = append(line, string(types.AppendText(nil, v.Type, x)))
				}
			}
			s.pend = append(s.pend, strings.Join(line, "|"))
		}
	}
	got := strings.Join(s.pend[:n], ";")
	s.pend = s.pend[n:]
	return got
}

func (s *subscriber) want(list ...string) {
	s.t.Helper()
	wantText(s.t, s.next(len(list)), strings.Join(list, ";"))
}

// fails reads on to the error that ends the live query.
func (s *subscriber) fails() error {
	for {
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		_, err := s.rows.Next(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
}

func TestSubscribe(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT, body VARCHAR(50)); INSERT INTO m VALUES (1, 7, 'a'), (2, 8, 'b'), (3, 7, 'c')")
		all := subscribe(t, e, "", "SUBSCRIBE TO m")
		room := subscribe(t, e, "", "SUBSCRIBE TO `default`.`m` WHERE room = ? OPTIONS (last_rows = 1, old = true)", intArg(7))
		shown := subscribe(t, e, "", "SUBSCRIBE TO SELECT id * 10 AS ten, UPPER(body) FROM m x WHERE x.id > 2 OPTIONS (last_rows = 0)")
		all.want("initial|1|7|a", "initial|2|8|b", "initial|3|7|c")
		room.want("initial|3|7|c|NULL|NULL|NULL")
		run(t, s, "INSERT INTO m VALUES (4, 7, 'd')")
		all.want("insert|4|7|d")
		room.want("insert|4|7|d|NULL|NULL|NULL")
		shown.want("insert|40|D")
		run(t, s, "UPDATE m SET room = 8 WHERE id = 4") // leaves the room; nothing that shown shows
		run(t, s, "UPDATE m SET body = 'x', room = 7 WHERE id IN (2, 3)")
		all.want("update|4|8|d", "update|2|7|x", "update|3|7|x")
		room.want("delete|4|7|d|4|7|d", "insert|2|7|x|NULL|NULL|NULL", "update|3|7|x|3|7|c")
		shown.want("update|30|X")
		run(t, s, "DELETE FROM m WHERE id > 2")
		all.want("delete|3|7|x", "delete|4|8|d")
		room.want("delete|3|7|x|3|7|x")
		shown.want("delete|30|X", "delete|40|D")
		// Nothing before the commit, nothing that was undone, each row once.
		run(t, s, "BEGIN; INSERT INTO m VALUES (10, 7, 'x'); SAVEPOINT a; INSERT INTO m VALUES (11, 7, 'y'); ROLLBACK TO a; "+
			"UPDATE m SET body = 'z' WHERE id = 10; INSERT INTO m VALUES (12, 7, 'w'); DELETE FROM m WHERE id = 12; DELETE FROM m WHERE id = 1")
		run(t, s, "COMMIT")
		all.want("delete|1|7|a", "insert|10|7|z")
		run(t, s, "BEGIN; INSERT INTO m VALUES (20, 7, 'x'); ROLLBACK")
		run(t, s, "REPLACE INTO m VALUES (10, 7, 'r'); INSERT INTO m VALUES (10, 7, 'q') ON DUPLICATE KEY UPDATE body = 'dup'")
		all.want("update|10|7|r", "update|10|7|dup")
		run(t, s, "UPDATE m SET id = 11 WHERE id = 10")
		all.want("delete|10|7|dup", "insert|11|7|dup")
		run(t, s, "TRUNCATE TABLE m")
		all.want("delete|2|7|x", "delete|11|7|dup")
		for i := 1; i < len(all.seqs); i++ {
			if all.seqs[i] < all.seqs[i-1] {
				t.Errorf("numbers do not ascend: %v", all.seqs)
			}
		}
	})
}

// What other statements write is seen, too.
func TestSubscribeIndirectWrites(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE SET NULL)")
		run(t, s, "CREATE TABLE audit (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20)); CREATE TRIGGER tr AFTER INSERT ON p FOR EACH ROW INSERT INTO audit (what) VALUES (CONCAT('p', NEW.id))")
		c, audit := subscribe(t, e, "", "SUBSCRIBE TO c"), subscribe(t, e, "", "SUBSCRIBE TO audit")
		run(t, s, "INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (10, 1), (20, 2)")
		c.want("insert|10|1", "insert|20|2")
		audit.want("insert|1|p1", "insert|2|p2")
		run(t, s, "DELETE FROM p WHERE id = 1; UPDATE p SET id = 3 WHERE id = 2")
		c.want("delete|10|1", "update|20|NULL")
		run(t, s, "CREATE TABLE soft (id INT PRIMARY KEY, v INT) WITH (DELETED_RETENTION_HOURS = 1)")
		soft := subscribe(t, e, "", "SUBSCRIBE TO soft WHERE v < 10")
		run(t, s, "INSERT INTO soft VALUES (1, 1), (2, 20); DELETE FROM soft; UNDELETE FROM soft")
		soft.want("insert|1|1", "delete|1|1", "insert|1|1")
	})
}

func TestSubscribeUsers(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE notes (id INT PRIMARY KEY, body TEXT); CREATE STREAM TABLE ev (kind VARCHAR(10)) WITH (TTL_SECONDS = 60)")
		ann, bob := subscribe(t, e, "ann", "SUBSCRIBE TO notes"), subscribe(t, e, "bob", "SUBSCRIBE TO notes")
		events := subscribe(t, e, "ann", "SUBSCRIBE TO SELECT kind FROM ev WHERE kind <> 'b'")
		a, b := newSession(t, e, SessionConfig{User: "ann"}), newSession(t, e, SessionConfig{User: "bob"})
		run(t, a, "INSERT INTO notes VALUES (1, 'of ann'); INSERT INTO ev (kind) VALUES ('a'), ('b'), ('c')")
		run(t, b, "INSERT INTO notes VALUES (1, 'of bob'); INSERT INTO ev (kind) VALUES ('x')")
		run(t, a, "UPDATE notes SET body = 'new'")
		ann.want("insert|1|of ann", "update|1|new")
		bob.want("insert|1|of bob")
		events.want("insert|a", "insert|c")
		run(t, a, "TRUNCATE TABLE notes")
		ann.want("delete|1|new")
		run(t, b, "INSERT INTO notes VALUES (2, 'more')")
		bob.want("insert|2|more")
		wantText(t, query(t, s, "SELECT user, namespace, `table`, query, options, changes, queue_depth, delivered_at IS NULL FROM system.live_queries ORDER BY id"),
			`ann|default|notes|SUBSCRIBE TO notes|{"buffer": 1024}|3|0|0;bob|default|notes|SUBSCRIBE TO notes|{"buffer": 1024}|2|0|0;`+
				`ann|default|ev|SUBSCRIBE TO SELECT kind FROM ev WHERE kind <> 'b'|{"buffer": 1024}|2|0|0;`)
		wantText(t, query(t, s, "EXECUTE AS USER 'ann' (SELECT COUNT(*) FROM notes)"), "0;")
	})
}

func TestSubscribeRefused(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT, options INT); CREATE VIEW v AS SELECT * FROM m")
		for sql, kind := range map[string]*sqlerr.Kind{
			"SUBSCRIBE m":          sqlerr.Syntax,
			"SUBSCRIBE TO":         sqlerr.Syntax,
			"SUBSCRIBE TO 'm'":     sqlerr.Syntax,
			"SUBSCRIBE TO m WHERE": sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS (last_rows = 1) x":                sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS (last_rows = -1)":                 sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS (last_rows 1)":                    sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS (last_rows = 1":                   sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS ()":                               sqlerr.Syntax,
			"SUBSCRIBE TO m OPTIONS (last = 1)":                       sqlerr.WrongOption,
			"SUBSCRIBE TO m OPTIONS (old = 1)":                        sqlerr.WrongOption,
			"SUBSCRIBE TO m OPTIONS (buffer = 0)":                     sqlerr.WrongOption,
			"SUBSCRIBE TO m OPTIONS (last_rows = true)":               sqlerr.WrongOption,
			"SUBSCRIBE TO nix":                                        sqlerr.NoSuchTable,
			"SUBSCRIBE TO m WHERE nix = 1":                            sqlerr.UnknownColumn,
			"SUBSCRIBE TO v":                                          sqlerr.NotSupported,
			"SUBSCRIBE TO system.tables":                              sqlerr.NotSupported,
			"SUBSCRIBE TO m, m n":                                     sqlerr.NotSupported,
			"SUBSCRIBE TO m JOIN m n ON TRUE":                         sqlerr.NotSupported,
			"SUBSCRIBE TO m LIMIT 1":                                  sqlerr.NotSupported,
			"SUBSCRIBE TO m ORDER BY id":                              sqlerr.NotSupported,
			"SUBSCRIBE TO m FOR UPDATE":                               sqlerr.NotSupported,
			"SUBSCRIBE TO m WHERE RAND() < 1":                         sqlerr.NotSupported,
			"SUBSCRIBE TO m WHERE id IN (SELECT 1)":                   sqlerr.NotSupported,
			"SUBSCRIBE TO m WHERE _deleted":                           sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT 1":                                   sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT COUNT(*) FROM m":                     sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT DISTINCT room FROM m":                sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT room FROM m GROUP BY room":           sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT ROW_NUMBER() OVER () FROM m":         sqlerr.NotSupported,
			"SUBSCRIBE TO SELECT id FROM m UNION SELECT 1":            sqlerr.NotSupported,
			"SUBSCRIBE TO WITH x AS (SELECT 1) SELECT * FROM m":       sqlerr.NotSupported,
			"SUBSCRIBE TO (SELECT * FROM m) OPTIONS (old = nix)":      sqlerr.Syntax,
			"SUBSCRIBE TO SELECT * FROM (SELECT * FROM m) x":          sqlerr.NotSupported,
			"SUBSCRIBE TO m; SELECT 1":                                sqlerr.NotSupported,
			"KILL LIVE QUERY":                                         sqlerr.Syntax,
			"KILL LIVE QUERY 'live-99'":                               sqlerr.NoSuchLive,
			"SUBSCRIBE TO m OPTIONS (from_seq_id = 7)":                sqlerr.ChangesGone,
			"EXPLAIN SUBSCRIBE TO m":                                  sqlerr.Syntax,
			"BEGIN; SUBSCRIBE TO m":                                   sqlerr.NotSupported,
			"SUBSCRIBE TO INSERT INTO m VALUES (1)":                   sqlerr.Syntax,
			"SUBSCRIBE TO m WHERE id = 1 OPTIONS(old=true) UNION ALL": sqlerr.Syntax,
		} {
			rows, err := s.Query(t.Context(), sql, nil)
			if err == nil {
				rows.Close()
			}
			if !errors.Is(err, kind) {
				t.Errorf("%s: %v", sql, err)
			}
			if strings.HasPrefix(sql, "BEGIN") {
				run(t, s, "ROLLBACK")
			} else if _, err := s.Prepare(t.Context(), sql); err == nil && kind != sqlerr.ChangesGone && kind != sqlerr.NoSuchLive &&
				!strings.Contains(sql, ";") && !strings.Contains(sql, "buffer = 0") {
				t.Errorf("%s is prepared", sql)
			}
		}
		_, err := s.Exec(t.Context(), "SUBSCRIBE TO m", nil)
		wantKind(t, err, sqlerr.NotSupported)
		for sql, at := range map[string]int{
			"SUBSCRIBE TO m WHERE id = ": 27, "SUBSCRIBE TO SELECT FROM m": 21, "/* x */ SUBSCRIBE TO m WHER id": 29,
			"SUBSCRIBE TO m OPTIONS (lst = 1)": 25, "SUBSCRIBE TO m OPTIONS (old = 7 7)": 33,
		} {
			_, err := s.Query(t.Context(), sql, nil)
			if e := sqlerr.As(err); e == nil || e.Position != at {
				t.Errorf("%s: position %d of %v", sql, e.Position, err)
			}
		}
		wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")
		// A column may have the name of the clause.
		sub := subscribe(t, e, "", "SUBSCRIBE TO m WHERE (options) = 1 AND options IN (1, 2) OPTIONS (last_rows = :n, buffer = 5)", named("n", intArg(3)))
		run(t, s, "INSERT INTO m VALUES (1, 1, 2), (2, 1, 1)")
		sub.want("insert|2|1|1")
	})
}

func TestSubscribeEnds(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT)")
		sub := subscribe(t, e, "ann", "SUBSCRIBE TO m")
		// A context ends the wait at once.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		other := newSession(t, e, SessionConfig{})
		rows, err := other.Query(ctx, "SUBSCRIBE TO m", nil)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		time.AfterFunc(10*time.Millisecond, cancel)
		_, err = rows.Next(ctx)
		wantKind(t, err, sqlerr.Interrupted)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		rows.Close()
		// KILL, by the owner or the system user.
		bob := newSession(t, e, SessionConfig{User: "bob"})
		_, err = bob.Exec(t.Context(), "KILL LIVE QUERY 'live-1'", nil)
		wantKind(t, err, sqlerr.NoSuchLive)
		run(t, s, "KILL LIVE QUERY 'live-1'")
		wantKind(t, sub.fails(), sqlerr.LiveKilled)
		wantKind(t, sub.fails(), sqlerr.LiveKilled)
		sub.rows.Close()
		wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")

		sub = subscribe(t, e, "", "SUBSCRIBE TO m")
		done := make(chan error, 1)
		go func() {
			_, err := sub.rows.Next(context.Background())
			done <- err
		}()
		time.Sleep(10 * time.Millisecond)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		wantKind(t, <-done, sqlerr.Closed)
	})
}

// TestSubscribeDDL changes the definitions of tables that are watched.
func TestSubscribeDDL(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE DATABASE other; CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c INT); CREATE TABLE other.t (id INT PRIMARY KEY); CREATE TABLE u (id INT)")
		sub := subscribe(t, e, "ann", "SUBSCRIBE TO SELECT id, a FROM t WHERE b = 1 OPTIONS (last_rows = 0)")
		star := subscribe(t, e, "bob", "SUBSCRIBE TO SELECT id FROM t")
		o := subscribe(t, e, "bob", "SUBSCRIBE TO other.t")
		for sql, want := range map[string]string{
			"DROP TABLE u, t":               "Cannot drop table 'default.t': it is watched by live queries: 'live-1' of user 'ann', 'live-2' of user 'bob'",
			"DROP DATABASE other":           "Cannot drop table 'other.t': it is watched by live queries: 'live-3' of user 'bob'",
			"ALTER TABLE t DROP COLUMN a":   "Cannot drop or change column 'a' of table 'default.t': it is watched by live queries: 'live-1' of user 'ann'",
			"ALTER TABLE t MODIFY b BIGINT": "Cannot drop or change column 'b' of table 'default.t': it is watched by live queries: 'live-1' of user 'ann'",
			"ALTER TABLE t CHANGE a z TEXT": "Cannot drop or change column 'a' of table 'default.t': it is watched by live queries: 'live-1' of user 'ann'",
		} {
			_, err := s.Exec(t.Context(), sql, nil)
			wantKind(t, err, sqlerr.TableWatched)
			if e := sqlerr.As(err); e.Message != want {
				t.Errorf("%s: %s", sql, e.Message)
			}
		}
		// What rewrites no rows leaves live queries as they are.
		run(t, s, "ALTER TABLE t ADD COLUMN d INT DEFAULT 5 FIRST; ALTER TABLE t DROP COLUMN c; ALTER TABLE t RENAME COLUMN a TO aa; ALTER TABLE t ADD INDEX (b)")
		run(t, s, "RENAME TABLE t TO tt; INSERT INTO tt (id, aa, b) VALUES (1, 10, 1), (2, 20, 2)")
		sub.want("insert|1|10")
		star.want("insert|1", "insert|2")
		later := subscribe(t, e, "", "SUBSCRIBE TO tt")
		later.want("initial|5|1|10|1", "initial|5|2|20|2")
		run(t, s, "UPDATE tt SET aa = 11, d = 6")
		sub.want("update|1|11")
		later.want("update|6|1|11|1", "update|6|2|11|2")
		// What does ends them.
		run(t, s, "INSERT INTO tt (id, aa, b) VALUES (3, 30, 1); ALTER TABLE tt ADD COLUMN e INT AUTO_INCREMENT UNIQUE")
		sub.want("insert|3|30")
		wantKind(t, sub.fails(), sqlerr.ChangesGone)
		wantKind(t, star.fails(), sqlerr.ChangesGone)
		again := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM tt OPTIONS (last_rows = 1)")
		run(t, s, "INSERT INTO tt (id) VALUES (4); CREATE TABLE x LIKE u; DROP TABLE x")
		again.want("initial|3", "insert|4")
		_, err := s.Exec(t.Context(), "DROP TABLE tt", nil)
		wantKind(t, err, sqlerr.TableWatched)
		for _, sub := range []*subscriber{sub, star, o, later, again} {
			sub.rows.Close()
		}
		run(t, s, "DROP TABLE tt; DROP DATABASE other")
		awaitJobs(t, s)
	})
}

// TestSubscribeSlow reads too late: from the log, and not at all when that has too
// little.
func TestSubscribeSlow(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LogBytes: 20_000})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT, body VARCHAR(1000))")
	sub := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM m WHERE room = 1 AND LENGTH(body) > 0 OPTIONS (buffer = 2)")
	other := subscribe(t, e, "", "SUBSCRIBE TO m OPTIONS (buffer = 2)")
	var want []string
	for i := range 60 {
		run(t, s, fmt.Sprintf("INSERT INTO m VALUES (%d, %d, 'x')", i, i%3))
		if i%3 == 1 {
			want = append(want, fmt.Sprintf("insert|%d", i))
		}
	}
	sub.want(want...)
	run(t, s, "INSERT INTO m VALUES (100, 1, 'live again')")
	sub.want("insert|100")
	for i := range 60 {
		run(t, s, fmt.Sprintf("INSERT INTO m VALUES (%d, 1, REPEAT('x', 900))", 1000+i))
	}
	wantKind(t, other.fails(), sqlerr.SubscriberSlow)
	wantKind(t, sub.fails(), sqlerr.SubscriberSlow)
	// A transaction that is larger than logs may be ends live queries, and those who resume.
	sub = subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM m OPTIONS (last_rows = 0)")
	run(t, s, "UPDATE m SET body = REPEAT('y', 800)")
	wantKind(t, sub.fails(), sqlerr.SubscriberSlow)
}

func TestSubscribeResume(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT); INSERT INTO m VALUES (1, 1)")
		sub := subscribe(t, e, "", "SUBSCRIBE TO m WHERE room = 1")
		sub.want("initial|1|1")
		run(t, s, "INSERT INTO m VALUES (2, 1); INSERT INTO m VALUES (3, 2); INSERT INTO m VALUES (4, 1); DELETE FROM m WHERE id = 1")
		sub.want("insert|2|1", "insert|4|1", "delete|1|1")
		for from, want := range []string{"insert|2|1;insert|4|1;delete|1|1;insert|5|1", "insert|4|1;delete|1|1;insert|5|1", "delete|1|1;insert|5|1", "insert|5|1"} {
			again := subscribe(t, e, "", "SUBSCRIBE TO m WHERE room = 1 OPTIONS (from_seq_id = ?)", Arg{Type: types.Uint64Type, Value: types.NewUint(sub.seqs[from])})
			if from == 0 {
				run(t, s, "INSERT INTO m VALUES (5, 1)")
				sub.want("insert|5|1")
			}
			wantText(t, again.next(1+strings.Count(want, ";")), want)
			run(t, s, "UPDATE m SET room = 1 WHERE id = 3")
			again.want("insert|3|1")
			run(t, s, "UPDATE m SET room = 2 WHERE id = 3")
			again.want("delete|3|1")
			again.rows.Close()
		}
	})
}

// Events of an ephemeral stream are there for who has a live query of it.
func TestEphemeral(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE STREAM TABLE ev (a INT) WITH (EPHEMERAL = TRUE)")
		ann, bob := newSession(t, e, SessionConfig{User: "ann"}), newSession(t, e, SessionConfig{User: "bob"})
		sub := subscribe(t, e, "ann", "SUBSCRIBE TO ev")
		second := subscribe(t, e, "ann", "SUBSCRIBE TO ev WHERE a > 1")
		for _, user := range []*Session{ann, bob} {
			if r := run(t, user, "INSERT INTO ev VALUES (1), (2)"); r.RowsAffected != 2 {
				t.Errorf("%d rows are affected", r.RowsAffected)
			}
		}
		sub.want("insert|1", "insert|2")
		second.want("insert|2")
		wantText(t, query(t, ann, "SELECT a FROM ev"), "1;2;")
		wantText(t, query(t, bob, "SELECT a FROM ev"), "")
		sub.rows.Close()
		wantText(t, query(t, ann, "SELECT a FROM ev"), "1;2;")
		second.rows.Close()
		awaitJobs(t, s)
		for begin := time.Now(); query(t, ann, "SELECT a FROM ev") != ""; time.Sleep(time.Millisecond) {
			if time.Since(begin) > 10*time.Second {
				t.Fatal("events stay")
			}
		}
		run(t, ann, "INSERT INTO ev VALUES (3)")
		wantText(t, query(t, ann, "SELECT a FROM ev"), "")
	})
}

func TestSubscribeZone(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, at TIMESTAMP NULL, d DECIMAL(20, 4), j JSON, e ENUM('a', 'b'), g INT AS (id * 2) VIRTUAL, n VARCHAR(10) COLLATE utf8mb4_0900_ai_ci)")
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	there := newSession(t, e, SessionConfig{Zone: zone})
	rows, err := there.Query(t.Context(), "SUBSCRIBE TO m WHERE at = '2026-01-01 09:00:00' AND g = 2 AND d = 1.5 AND e = 'b' AND n = 'ÄB' AND JSON_EXTRACT(j, '$.x') = 1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	sub := &subscriber{t: t, rows: rows}
	run(t, s, `INSERT INTO m (id, at, d, j, e, n) VALUES (1, '2026-01-01 00:00:00', 1.5, '{"x": 1}', 'b', 'ab'), (2, '2026-01-01 00:00:00', 1.5, '{"x": 1}', 'b', 'ab')`)
	sub.want(`insert|1|2026-01-01 09:00:00|1.5000|{"x": 1}|b|2|ab`)
	run(t, s, `UPDATE m SET at = NULL WHERE id = 1`)
	sub.want(`delete|1|2026-01-01 09:00:00|1.5000|{"x": 1}|b|2|ab`)
	null := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM m WHERE at IS NULL AND d = ? OPTIONS (last_rows = 0)", Arg{Type: types.Float64Type, Value: types.NewFloat(2.5)})
	never := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM m WHERE id = 1.5 OR id = NULL")
	impossible := subscribe(t, e, "", "SUBSCRIBE TO m WHERE id = 1.5")
	run(t, s, `UPDATE m SET d = 2.5`)
	null.want("insert|1")
	run(t, s, "DELETE FROM m")
	null.want("delete|1")
	_, err = s.Exec(t.Context(), "DROP TABLE m", nil)
	wantKind(t, err, sqlerr.TableWatched)
	for _, sub := range []*subscriber{sub, null, never, impossible} {
		sub.rows.Close()
	}
	run(t, s, "DROP TABLE m")
}

// A live query needs the right to read, whoever planned it first.
func TestSubscribeRights(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE SHARED TABLE secret (id INT PRIMARY KEY) WITH (ACCESS_LEVEL = 'RESTRICTED'); CREATE USER 'ann' ROLE 'user'; INSERT INTO secret VALUES (1)")
	subscribe(t, e, "", "SUBSCRIBE TO secret").want("initial|1")
	ann := newSession(t, e, SessionConfig{User: "ann"})
	for _, sql := range []string{"SUBSCRIBE TO secret", "SUBSCRIBE TO SELECT 1 FROM secret", "SELECT * FROM secret"} {
		if _, err := ann.Query(t.Context(), sql, nil); !errors.Is(err, sqlerr.AccessDenied) {
			t.Errorf("%s: %v", sql, err)
		}
		if _, err := ann.Subscribe(t.Context(), sql, nil, SubscribeOptions{}); !errors.Is(err, sqlerr.AccessDenied) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	run(t, s, "GRANT SELECT ON secret TO 'ann'")
	subscribe(t, e, "ann", "SUBSCRIBE TO secret").want("initial|1")
	wantText(t, query(t, ann, "SELECT id FROM system.live_queries"), "live-2;")
	_, err := ann.Exec(t.Context(), "KILL LIVE QUERY 'live-1'", nil)
	wantKind(t, err, sqlerr.NoSuchLive)
	run(t, ann, "KILL LIVE QUERY 'live-2'")
}
