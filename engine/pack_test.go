package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// openPacking opens a database whose tables are packed in the background all the time.
func openPacking(t testing.TB) *Engine {
	e := openStore(t, Config{LockWait: 10 * time.Second}, store.Config{SegmentRows: 16})
	e.catalog.Pack = store.PackOptions{MinRows: 8, MaxShadow: 25, Age: time.Millisecond}
	return e
}

// insertNumbers inserts rows (i, i) in order.
func insertNumbers(t testing.TB, s *Session, table string, n int) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", (%d, %d)", i, i)
	}
	run(t, s, "INSERT INTO "+table+" VALUES "+b.String()[2:])
}

func TestBackgroundPacking(t *testing.T) {
	t.Parallel()
	e := openPacking(t)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE a (id INT PRIMARY KEY, n INT)")
	run(t, s, "CREATE TABLE b (id INT PRIMARY KEY, n INT) WITH (PACK='off')")
	insertNumbers(t, s, "b", 100)
	insertNumbers(t, s, "a", 100)
	segments := func(table string) string {
		return query(t, s, "SELECT segments, `rows`, unpacked_rows, shadow_rows, shadow_ratio FROM `system`.segments WHERE `table` = '"+table+"'")
	}
	wait := func(want string) {
		t.Helper()
		for range 1000 {
			if segments("a") == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("segments of a are %s, not %s; jobs %s", segments("a"), want, query(t, s, "SELECT kind, state, result, error FROM `system`.jobs"))
	}
	wait("6|96|4|0|0;")
	// Much is changed, and packed again.
	run(t, s, "UPDATE a SET n = n + 1 WHERE id < 50")
	run(t, s, "DELETE FROM a WHERE id >= 50")
	run(t, s, "UPDATE a SET n = n + 1 WHERE id < 20")
	want := fmt.Sprint(50*49/2+50+20, "|50;")
	again := func() bool {
		return query(t, s, "SELECT `rows` < 70 AND shadow_rows < 20 FROM `system`.segments WHERE `table` = 'a'") == "1;"
	}
	for range 1000 {
		if got := query(t, s, "SELECT SUM(n), COUNT(*) FROM a"); got != want {
			t.Fatalf("rows are %s, not %s", got, want)
		}
		if again() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !again() {
		t.Errorf("segments of a are %s", segments("a"))
	}
	if got := segments("b"); got != "0|0|100|0|NULL;" {
		t.Errorf("segments of a table that is not packed: %s", got)
	}
	if got := query(t, s, "SHOW CREATE TABLE b"); !strings.Contains(got, "PACK='off'") {
		t.Errorf("table b is %s", got)
	}
	run(t, s, "ALTER TABLE b SET (PACK='on')")
	if got := query(t, s, "PACK TABLE b, c"); !strings.Contains(got, "default.b|pack|status|OK") || !strings.Contains(got, "default.c|pack|Error|") {
		t.Errorf("PACK TABLE gives %s", got)
	}
	if got := segments("b"); got != "7|100|0|0|0;" {
		t.Errorf("segments after PACK TABLE: %s", got)
	}
}

// TestTransfersWhilePacked moves amounts between rows, in transactions that would lose
// some if a conflict went by unseen or a row were read twice, while everything is packed.
func TestTransfersWhilePacked(t *testing.T) {
	t.Parallel()
	const rows = 40
	e := openPacking(t)
	setup := newSession(t, e, SessionConfig{})
	run(t, setup, "CREATE TABLE a (id INT PRIMARY KEY, n INT, KEY (n))")
	insertNumbers(t, setup, "a", rows)
	const want = "780|40;"
	var end atomic.Bool
	var others, writers sync.WaitGroup
	others.Go(func() {
		s := newSession(t, e, SessionConfig{})
		for !end.Load() {
			query(t, s, "PACK TABLE a")
		}
	})
	others.Go(func() {
		s := newSession(t, e, SessionConfig{})
		for !end.Load() {
			for _, q := range []string{"SELECT SUM(n), COUNT(*) FROM a", "SELECT SUM(n), COUNT(*) FROM a FORCE INDEX (n) WHERE n > -100000"} {
				if got := query(t, s, q); got != want {
					t.Errorf("%s: %s", q, got)
					return
				}
			}
		}
	})
	for w := range 3 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(w)))
			s := newSession(t, e, SessionConfig{})
			for range 60 {
				from, to := r.IntN(rows), r.IntN(rows)
				if from == to {
					continue
				}
				for {
					_, err := s.Exec(t.Context(), "BEGIN", nil)
					for _, q := range []string{
						fmt.Sprintf("UPDATE a SET n = n - 1 WHERE id = %d", from),
						// The row goes and comes back.
						fmt.Sprintf("SET @n = (SELECT n FROM a WHERE id = %d FOR UPDATE)", to),
						fmt.Sprintf("DELETE FROM a WHERE id = %d", to),
						fmt.Sprintf("INSERT INTO a VALUES (%d, @n + 1)", to),
						"COMMIT",
					} {
						if err == nil {
							_, err = s.Exec(t.Context(), q, nil)
						}
					}
					if err == nil {
						break
					}
					if _, err := s.Exec(t.Context(), "ROLLBACK", nil); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	end.Store(true)
	others.Wait()
	if got := query(t, setup, "SELECT SUM(n), COUNT(*) FROM a"); got != want {
		t.Errorf("in the end %s", got)
	}
	if got := query(t, setup, "CHECK TABLE a EXTENDED"); got != "default.a|check|status|OK;" {
		t.Error(got)
	}
}

// TestPackingAndLocks: packing waits for who changes a table's definition, and for nobody
// who has locked the table.
func TestPackingAndLocks(t *testing.T) {
	t.Parallel()
	e := openStore(t, Config{LockWait: 10 * time.Second}, store.Config{SegmentRows: 16})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE a (id INT PRIMARY KEY, n INT)")
	insertNumbers(t, s, "a", 40)
	table, err := e.catalog.Table(t.Context(), "default", "a")
	if err != nil {
		t.Fatal(err)
	}
	tx := e.txns.Begin(txn.Options{})
	defer tx.Rollback()
	if err := tx.LockTable(t.Context(), table.ID, txn.Exclusive); err != nil {
		t.Fatal(err)
	}
	wantText(t, query(t, s, "PACK TABLE a"), "default.a|pack|note|3 segments made of 40 rows;default.a|pack|status|OK;")
	if err := tx.LockDefinition(t.Context(), table.ID); err != nil {
		t.Fatal(err)
	}
	_, err = newSession(t, e, SessionConfig{LockWait: time.Millisecond}).Exec(t.Context(), "PACK TABLE a", nil)
	wantKind(t, err, sqlerr.LockWaitTimeout)
}
