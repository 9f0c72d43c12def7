package engine

import (
	"strings"
	"testing"
)

// TestKeptRows keeps results that do not fit into memory: those of RETURNING,
// those that are open while their transaction goes on, and all but the last of
// several statements.
func TestKeptRows(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{MemoryBytes: 1 << 20}), SessionConfig{})
	run(t, s, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, b LONGTEXT)")
	count := func(rows *Rows) int {
		t.Helper()
		n := 0
		for {
			b, err := rows.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b.Len == 0 {
				return n
			}
			for i := range b.Len {
				v := b.Columns[1].Value(i).Bytes()
				if len(v) != 20000 || strings.Trim(string(v), "x") != "" {
					t.Fatalf("row %d is damaged", n)
				}
				n++
			}
		}
	}
	returned, err := s.Query(t.Context(), `INSERT INTO t (b) SELECT repeat('x', 20000) FROM
		(WITH d AS (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) SELECT a.n FROM d a, d b, d c, d e) AS many
		RETURNING id, b`, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "BEGIN")
	open, err := s.Query(t.Context(), "SELECT id, b FROM t; SELECT id, b FROM t", nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "DELETE FROM t")
	run(t, s, "COMMIT")
	if n := count(returned); n != 256 {
		t.Errorf("RETURNING has %d rows", n)
	}
	if n := count(open); n != 256 {
		t.Errorf("the first result has %d rows", n)
	}
	if _, err := open.NextResultSet(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(open); n != 256 {
		t.Errorf("the second result has %d rows", n)
	}
	returned.Close()
	open.Close()
}
