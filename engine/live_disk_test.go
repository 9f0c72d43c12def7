//go:build cgo

package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func TestSubscribeReadOnly(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	e, err := Open(t.Context(), Config{Path: path, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	run(t, newSession(t, e, SessionConfig{}), "CREATE TABLE m (id INT PRIMARY KEY); INSERT INTO m VALUES (1)")
	closeEngine(t, e)
	if e, err = Open(t.Context(), Config{Path: path, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	sub := subscribe(t, e, "", "SUBSCRIBE TO m")
	sub.want("initial|1")
	sub.rows.Close()
	closeEngine(t, e)
}

// A restore ends live queries of what it replaces.
func TestSubscribeRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := Open(t.Context(), Config{Path: dir + "/db", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT PRIMARY KEY) WITH (CHANGE_RETENTION_HOURS = 1); INSERT INTO m VALUES (1)")
	query(t, s, "BACKUP DATABASE TO '"+dir+"/backup'")
	sub := subscribe(t, e, "", "SUBSCRIBE TO m")
	sub.want("initial|1")
	run(t, s, "INSERT INTO m VALUES (2)")
	query(t, s, "RESTORE DATABASE FROM '"+dir+"/backup'")
	sub.want("insert|2")
	wantKind(t, sub.fails(), sqlerr.ChangesGone)
	again := subscribe(t, e, "", "SUBSCRIBE TO m")
	run(t, s, "INSERT INTO m VALUES (3)")
	again.want("initial|1", "insert|3")
	_, err = s.Query(t.Context(), "SUBSCRIBE TO m OPTIONS (from_seq_id = ?)", []Arg{{Type: types.Uint64Type, Value: types.NewUint(sub.seqs[1])}})
	wantKind(t, err, sqlerr.ChangesGone)
}

// TestSubscribeLarge has transactions that do not fit in memory, or in what is handed on
// in memory.
func TestSubscribeLarge(t *testing.T) {
	t.Parallel()
	e, err := Open(t.Context(), Config{Path: t.TempDir(), Create: true, ChangeBytes: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, body VARCHAR(1000)); CREATE TABLE src (id INT PRIMARY KEY)")
	var list []string
	for i := range 4000 {
		list = append(list, fmt.Sprintf("(%d)", i))
	}
	run(t, s, "INSERT INTO src VALUES "+strings.Join(list, ","))
	sub := subscribe(t, e, "", "SUBSCRIBE TO SELECT id, LENGTH(body) FROM m WHERE id % 1000 = 7")
	quick := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM m WHERE id = 7")
	run(t, s, "INSERT INTO m SELECT id, REPEAT('x', 500) FROM src")
	sub.want("insert|7|500", "insert|1007|500", "insert|2007|500", "insert|3007|500")
	run(t, s, "BEGIN; UPDATE m SET body = REPEAT('y', 600) WHERE id < 2000; SAVEPOINT a; UPDATE m SET body = 'z'; ROLLBACK TO a; DELETE FROM m WHERE id BETWEEN 1000 AND 2999; COMMIT")
	sub.want("update|7|600", "delete|1007|500", "delete|2007|500")
	run(t, s, "INSERT INTO m VALUES (8007, 'small')")
	sub.want("insert|8007|5")
	run(t, s, "REPLACE INTO m SELECT id, 'r' FROM src")
	sub.want("update|7|1", "insert|1007|1", "insert|2007|1", "update|3007|1")
	run(t, s, "TRUNCATE TABLE m")
	sub.want("delete|7|1", "delete|1007|1", "delete|2007|1", "delete|3007|1", "delete|8007|5")
	quick.want("insert|7", "delete|7")
	again := subscribe(t, e, "", "SUBSCRIBE TO SELECT id, LENGTH(body) FROM m WHERE id % 1000 = 7 OPTIONS (from_seq_id = ?)",
		Arg{Type: types.Uint64Type, Value: types.NewUint(sub.seqs[0])})
	again.want("update|7|600", "delete|1007|500", "delete|2007|500", "insert|8007|5", "update|7|1", "insert|1007|1", "insert|2007|1", "update|3007|1")
}

// TestChangeRetention resumes where nobody was subscribed.
func TestChangeRetention(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	now := time.Now()
	begin := func() (*Engine, *Session) {
		e, err := Open(t.Context(), Config{Path: path, Create: true, ChangeRetention: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return e, newSession(t, e, SessionConfig{})
	}
	e, s := begin()
	run(t, s, "CREATE TABLE kept (id INT PRIMARY KEY) WITH (CHANGE_RETENTION_HOURS = 2); CREATE TABLE other (id INT PRIMARY KEY); INSERT INTO kept VALUES (1); INSERT INTO other VALUES (1)")
	sub := subscribe(t, e, "", "SUBSCRIBE TO kept")
	o := subscribe(t, e, "", "SUBSCRIBE TO other")
	sub.want("initial|1")
	o.want("initial|1")
	sub.rows.Close()
	o.rows.Close()
	kept, other := sub.seqs[0], o.seqs[0]
	run(t, s, "INSERT INTO kept VALUES (2); INSERT INTO other VALUES (2)")
	closeEngine(t, e)
	e, s = begin()
	run(t, s, "INSERT INTO kept VALUES (3); INSERT INTO other VALUES (3)")
	from := func(seq uint64) Arg { return Arg{Type: types.Uint64Type, Value: types.NewUint(seq)} }
	sub = subscribe(t, e, "", "SUBSCRIBE TO kept OPTIONS (from_seq_id = ?)", from(kept))
	o = subscribe(t, e, "", "SUBSCRIBE TO other OPTIONS (from_seq_id = ?)", from(other))
	sub.want("insert|2", "insert|3")
	o.want("insert|2", "insert|3")
	sub.rows.Close()
	o.rows.Close()
	// An hour later: the other table's log has ended.
	trim := func(at time.Time) {
		t.Helper()
		if err := e.live.Trim(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	trim(now.Add(time.Hour))
	run(t, s, "INSERT INTO kept VALUES (4); INSERT INTO other VALUES (4)")
	sub = subscribe(t, e, "", "SUBSCRIBE TO kept OPTIONS (from_seq_id = ?)", from(kept))
	sub.want("insert|2", "insert|3", "insert|4")
	_, err := s.Query(t.Context(), "SUBSCRIBE TO other OPTIONS (from_seq_id = ?)", []Arg{from(other)})
	wantKind(t, err, sqlerr.ChangesGone)
	trim(now.Add(3 * time.Hour))
	_, err = s.Query(t.Context(), "SUBSCRIBE TO kept OPTIONS (from_seq_id = ?)", []Arg{from(kept)})
	wantKind(t, err, sqlerr.ChangesGone)
	again := subscribe(t, e, "", "SUBSCRIBE TO kept OPTIONS (from_seq_id = ?)", from(sub.seqs[2])) // the last of what was removed
	run(t, s, "INSERT INTO kept VALUES (5)")
	again.want("insert|5")
	again.rows.Close()
	sub.rows.Close()
	run(t, s, "ALTER TABLE kept SET (CHANGE_RETENTION_HOURS = 0); ALTER TABLE other SET (CHANGE_RETENTION_HOURS = 1, CHANGE_RETENTION_MB = 1); INSERT INTO other VALUES (6)")
	trim(now.Add(10 * time.Hour))
	run(t, s, "DROP TABLE kept; DROP TABLE other")
	awaitJobs(t, s)
	trim(now.Add(20 * time.Hour))
	if left := e.db.Logs(); len(left) > 0 {
		t.Errorf("there are logs of %v", left)
	}
	closeEngine(t, e)
}
