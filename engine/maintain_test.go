package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// tableKeys returns the pairs of kv.Data that belong to the table made last, by
// the number of their index.
func tableKeys(t *testing.T, e *Engine) map[uint32][][2][]byte {
	t.Helper()
	tx, err := e.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	found := map[uint32][][2][]byte{}
	sc := tx.Scan(kv.Data, kv.Range{})
	defer sc.Close()
	for {
		c, err := sc.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.Len() == 0 {
			return found
		}
		for i := range c.Len() {
			n := binary.BigEndian.Uint32(c.Key(i)[4:])
			found[n] = append(found[n], [2][]byte{bytes.Clone(c.Key(i)), bytes.Clone(c.Value(i))})
		}
	}
}

// plant writes behind the tables' back.
func plant(t *testing.T, e *Engine, f func(w kv.Writer)) {
	t.Helper()
	tx, err := e.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	f(tx)
	if err := tx.Commit(t.Context(), Sync, nil); err != nil {
		t.Fatal(err)
	}
}

func TestRepairTable(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(40), age INT, UNIQUE KEY u (email), KEY a (age))")
	run(t, s, "INSERT INTO t (email, age) VALUES ('ann', 30), ('bob', 40), ('cat', 50), ('dan', NULL)")
	if got := query(t, s, "CHECK TABLE t, nothing, system.tables EXTENDED"); got != "default.t|check|status|OK;"+
		"default.nothing|check|Error|Table 'default.nothing' doesn't exist;default.nothing|check|status|Operation failed;"+
		"system.tables|check|note|The storage engine for the table doesn't support this;" {
		t.Errorf("whole: %s", got)
	}
	if got := query(t, s, "REPAIR TABLE t"); got != "default.t|repair|status|OK;" {
		t.Errorf("whole: %s", got)
	}
	keys := tableKeys(t, e)
	plant(t, e, func(w kv.Writer) {
		w.Put(kv.Data, keys[0][1][0], keys[0][0][1])       // bob's row is ann's, too
		w.Put(kv.Data, keys[0][2][0], []byte("gibberish")) // instead of cat
	})
	got := query(t, s, "CHECK TABLE t")
	for _, want := range []string{"Row can't be read: malformed row, key 018000000000000003 of PRIMARY", "Duplicate entry", "check|error|Corrupt;"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	got = query(t, s, "REPAIR TABLE t")
	for _, want := range []string{"its bytes are 67696262657269736", "another one has the same unique key", "Index 'u' was built anew", "Index 'a' was built anew", "repair|status|OK;"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := query(t, s, "CHECK TABLE t EXTENDED"); got != "default.t|check|status|OK;" {
		t.Errorf("repaired: %s", got)
	}
	for _, sql := range []string{"SELECT id, email, age FROM t", "SELECT id, email, age FROM t FORCE INDEX (u) WHERE email > ''"} {
		if got := query(t, s, sql+" ORDER BY id"); got != "1|ann|30;4|dan|NULL;" {
			t.Errorf("%s: %s", sql, got)
		}
	}
	// Writers go on, keys are free again.
	run(t, s, "INSERT INTO t (email, age) VALUES ('bob', 1), ('cat', 2)")
	if got := query(t, s, "CHECK TABLE t"); got != "default.t|check|status|OK;" {
		t.Errorf("at the end: %s", got)
	}
	if got := tableKeys(t, e); len(got[0x7ffffffe]) != 2 {
		t.Errorf("%d rows set aside", len(got[0x7ffffffe]))
	}
	run(t, s, "DROP TABLE t")
	awaitJobs(t, s)
	if got := tableKeys(t, e); len(got) != 0 {
		t.Errorf("after DROP: %v", got)
	}
}

func TestMaintainErrors(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{ReadOnly: true})
	for sql, want := range map[string]string{
		"REPAIR TABLE t":            "READ ONLY",
		"CHECK TABLE":               "near ''",
		"CHECK TABLE t,":            "near ''",
		"CHECK TABLE t NONSENSE":    "near 'NONSENSE'",
		"CHECK TABLE t FOR":         "near ''",
		"CHECK TABLE select":        "near 'select'",
		"CHECK t":                   "near",
		"BACKUP DATABASE a TO":      "near ''",
		"BACKUP DATABASE a b TO ''": "near 'b",
	} {
		_, err := s.Exec(t.Context(), sql, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
	if got := query(t, s, "CHECK TABLES `t`, b.c QUICK FAST FOR UPGRADE"); !strings.Contains(got, "Unknown database 'b'") {
		t.Error(got)
	}
}

// TestWriterWaitsForIndex has a transaction with a snapshot wait for the table
// that an index is made of.
func TestWriterWaitsForIndex(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	writer, other, maker := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, writer, "CREATE TABLE t (id INT PRIMARY KEY, a INT); CREATE TABLE s (id INT); INSERT INTO t VALUES (1, 1)")
	run(t, writer, "BEGIN")
	query(t, writer, "SELECT * FROM s")
	run(t, other, "BEGIN; INSERT INTO t VALUES (2, 2)")
	made, written := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := maker.Exec(t.Context(), "ALTER TABLE t ADD INDEX i (a), LOCK=SHARED", nil)
		made <- err
	}()
	awaitWaiting(t, e, 1) // for other
	go func() {
		_, err := writer.Exec(t.Context(), "INSERT INTO t VALUES (3, 3)", nil)
		written <- err
	}()
	awaitWaiting(t, e, 2) // the writer for maker
	run(t, other, "COMMIT")
	if err := <-made; err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil && !errors.Is(err, sqlerr.TableDefChanged) {
		t.Error(err)
	}
	run(t, writer, "COMMIT")
	if got := query(t, writer, "CHECK TABLE t"); got != "default.t|check|status|OK;" {
		t.Error(got)
	}
}

// TestWritersAndIndexes has transactions write while an index comes and goes: no
// entry is missing, and none is left of an index that is gone.
func TestWritersAndIndexes(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT); CREATE TABLE s (id INT PRIMARY KEY, n INT); INSERT INTO s VALUES (0, 0), (1, 0), (2, 0), (3, 0)")
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 4 {
		s := newSession(t, e, SessionConfig{})
		writers.Go(func() {
			for !stop.Load() {
				sql := fmt.Sprintf("BEGIN; UPDATE s SET n = n + 1 WHERE id = %d; INSERT INTO t (a) VALUES (%d); COMMIT", w, w)
				if _, err := s.Exec(context.Background(), sql, nil); err != nil {
					if sqlErr := sqlerr.As(err); sqlErr == nil || !sqlErr.Retryable() {
						t.Error(err)
						return
					}
					s.Rollback()
				}
			}
		})
	}
	for range 150 {
		run(t, s, "CREATE INDEX i ON t (a)")
		run(t, s, "DROP INDEX i ON t")
	}
	run(t, s, "CREATE INDEX i ON t (a)")
	stop.Store(true)
	writers.Wait()
	if got := query(t, s, "CHECK TABLE t"); got != "default.t|check|status|OK;" {
		t.Error(got)
	}
}

// TestCheckConstraints has rows that foreign keys and CHECKs do not allow.
func TestCheckConstraints(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE parent (id INT PRIMARY KEY); INSERT INTO parent VALUES (1)")
	run(t, s, "CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES parent (id)); INSERT INTO child VALUES (1, 1), (2, NULL)")
	if got := query(t, s, "CHECK TABLE child"); got != "default.child|check|status|OK;" {
		t.Error(got)
	}
	run(t, s, "SET foreign_key_checks = 0; INSERT INTO child VALUES (3, 9)")
	if got := query(t, s, "CHECK TABLE child"); !strings.Contains(got, "a foreign key constraint fails") || !strings.HasSuffix(got, "|error|Corrupt;") {
		t.Error(got)
	}
	if got := query(t, s, "CHECK TABLE child QUICK"); got != "default.child|check|status|OK;" {
		t.Error(got)
	}
	run(t, s, "DROP TABLE parent, child")
	awaitJobs(t, s)

	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT AS (a * 2) VIRTUAL, CONSTRAINT small CHECK (a < 10), KEY k (b)); INSERT INTO t (id, a) VALUES (1, 5)")
	of := tableKeys(t, e)
	run(t, s, "CREATE TABLE free (id INT PRIMARY KEY, a INT); INSERT INTO free VALUES (1, 50)")
	for _, pair := range tableKeys(t, e)[0] {
		if !bytes.Equal(pair[0], of[0][0][0]) {
			plant(t, e, func(w kv.Writer) { w.Put(kv.Data, of[0][0][0], pair[1]) })
		}
	}
	got := query(t, s, "CHECK TABLE t")
	if !strings.Contains(got, "Index 'k' lacks the entry") || !strings.Contains(got, "has an entry that row") {
		t.Errorf("the generated column's index: %s", got)
	}
	query(t, s, "REPAIR TABLE t")
	if got := query(t, s, "CHECK TABLE t"); !strings.Contains(got, "Check constraint 'small' is violated") {
		t.Error(got)
	}
}
