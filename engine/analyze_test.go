package engine

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/stats"
)

// statistics returns those of a table of the default namespace, or nil.
func statistics(t *testing.T, e *Engine, table string) *stats.Table {
	t.Helper()
	def, err := e.catalog.Table(context.Background(), DefaultNamespace, table)
	if err != nil {
		t.Fatal(err)
	}
	return e.catalog.Statistics(def)
}

// estimated finds how many rows the plan's top operator is thought to give.
var estimated = regexp.MustCompile(`rows≈(\d+)`)

// TestAnalyzed checks what the planner makes of statistics.
func TestAnalyzed(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, kind INT, n INT, s VARCHAR(20), KEY (kind), KEY (n))")
		var rows []string
		for i := range 20_000 {
			kind := 1 // of nearly all
			if i%1000 == 0 {
				kind = 2
			}
			rows = append(rows, fmt.Sprintf("(%d, %d, %d, 'text %d')", i, kind, i/2, i%100))
		}
		for ; len(rows) > 0; rows = rows[min(len(rows), 2000):] {
			run(t, s, "INSERT INTO t VALUES "+strings.Join(rows[:min(len(rows), 2000)], ","))
		}
		const common, rare = "EXPLAIN SELECT * FROM t WHERE kind = 1", "EXPLAIN SELECT * FROM t WHERE kind = 2"
		run(t, s, "ANALYZE TABLE t")
		st := statistics(t, e, "t")
		if st == nil || st.Rows != 20_000 {
			t.Fatalf("statistics %+v", st)
		}
		for sql, want := range map[string]string{
			common: "using PRIMARY,",
			rare:   "using kind, range [2, 2]",
			"EXPLAIN SELECT * FROM t WHERE kind IS NULL": "rows≈",
		} {
			if got := query(t, s, sql); !strings.Contains(got, want) {
				t.Errorf("%s: %s lacks %s", sql, got, want)
			}
		}
		// The sample is a random one of half the rows.
		for where, rows := range map[string]int{
			"n < 20":                 40,
			"n >= 5000 AND n < 7500": 5000,
			"s LIKE '%7'":            2000,
			"s = 'nothing'":          1,
		} {
			got := query(t, s, "EXPLAIN SELECT * FROM t WHERE "+where)
			m := estimated.FindStringSubmatch(got)
			if m == nil {
				t.Errorf("%s: no estimate in %s", where, got)
				continue
			}
			if n, _ := strconv.Atoi(m[1]); n < rows/2 || n > rows*2 {
				t.Errorf("%s: %s, want about %d rows", where, got, rows)
			}
		}
		run(t, s, "TRUNCATE TABLE t")
		if st := statistics(t, e, "t"); st != nil {
			t.Errorf("an empty table has statistics: %+v", st)
		}
	})
}

// TestBackgroundStatistics waits for the statistics of a table that grows.
func TestBackgroundStatistics(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		numbers(t, s, "t", 3000)
		for begin := time.Now(); statistics(t, e, "t") == nil; time.Sleep(20 * time.Millisecond) {
			if time.Since(begin) > 20*time.Second {
				t.Fatal("no statistics")
			}
		}
		if st := statistics(t, e, "t"); st.Rows < 1000 || st.Columns[2].Distinct != 10 {
			t.Errorf("%+v", st)
		}
	})
}

// TestMemLimit checks that SET mem_limit decides when a statement spills.
func TestMemLimit(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{MemoryBytes: 1 << 20})
		numbers(t, s, "t", 2000)
		spills := func(want string, spilled bool) {
			t.Helper()
			wantText(t, query(t, s, "SELECT @@mem_limit"), want)
			got := query(t, s, "EXPLAIN ANALYZE SELECT * FROM t ORDER BY n, id DESC")
			if strings.Contains(got, "spilled=") != spilled {
				t.Errorf("mem_limit %s: %s", want, got)
			}
		}
		spills("1048576;", false)
		run(t, s, "SET mem_limit = 1000")
		spills("1000;", true)
		run(t, s, "SET mem_limit = 0")
		spills("1048576;", false)
		_, err := s.Exec(t.Context(), "SET mem_limit = 'much'", nil)
		wantKind(t, err, sqlerr.WrongTypeForVar)
	})
}

// TestAssumedRows checks that SET assumed_rows gives small tables the plans of large ones,
// and the same answers.
func TestAssumedRows(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		numbers(t, s, "t", 20)
		run(t, s, "CREATE TABLE u (id INT PRIMARY KEY, t INT); INSERT INTO u VALUES (1, 3), (2, 3), (3, 5), (4, NULL)")
		for _, q := range []string{
			"SELECT id, n FROM t ORDER BY n, id DESC",
			"SELECT t.id FROM t LEFT JOIN u ON u.t = t.id GROUP BY t.id ORDER BY t.id",
			"SELECT t.id, COUNT(u.id), COUNT(u.t) FROM t LEFT JOIN u ON u.t = t.id GROUP BY t.id ORDER BY t.id",
		} {
			run(t, s, "SET assumed_rows = 0")
			small, answer := query(t, s, "EXPLAIN "+q), query(t, s, q)
			run(t, s, "SET assumed_rows = 1000000")
			wantText(t, query(t, s, "SELECT @@assumed_rows"), "1000000;")
			if large := query(t, s, "EXPLAIN "+q); strings.Contains(small, "read ahead") || !strings.Contains(large, "read ahead") {
				t.Errorf("%s\nsmall: %s\nlarge: %s", q, small, large)
			}
			wantText(t, query(t, s, q), answer)
		}
		run(t, s, "SET assumed_rows = -1")
		wantText(t, query(t, s, "SELECT @@assumed_rows"), "0;")
		_, err := s.Exec(t.Context(), "SET assumed_rows = 'many'", nil)
		wantKind(t, err, sqlerr.WrongTypeForVar)
	})
}

// TestExplainAnalyze checks what the operators are told to have done.
func TestExplainAnalyze(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{MemoryBytes: 64 << 10})
		numbers(t, s, "t", 20_000)
		run(t, s, "ANALYZE TABLE t")
		times := regexp.MustCompile(`time=[0-9]+\.[0-9]{3} ms`)
		for sql, want := range map[string][]string{
			"SELECT n, COUNT(*) FROM t WHERE id <= 5000 GROUP BY n": {
				"Aggregate", "rows≈10) (actual rows=10 loops=1 time=", "memory=", "Scan", "(actual rows=5000 loops=1"},
			"SELECT * FROM t ORDER BY n, id DESC":                                                   {"Sort", "actual rows=20000", "spilled=", " KiB)"},
			"SELECT * FROM t a WHERE n = (SELECT MAX(n) FROM t b WHERE b.id < a.id + 1) AND id < 4": {"Subquery scalar", "loops=3"},
			"SELECT * FROM t LIMIT 0":                                                               {"Limit"},
			"SELECT 1 FROM t WHERE id = ?":                                                          {"rows=1"},
			"SELECT n FROM t WHERE id = 3 FOR UPDATE":                                               {"Lock", "actual rows=1"},
		} {
			var args []Arg
			if strings.Contains(sql, "?") {
				args = append(args, intArg(7))
			}
			got := query(t, s, "EXPLAIN ANALYZE "+sql, args...)
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s: no %s in %s", sql, w, got)
				}
			}
			if !times.MatchString(got) {
				t.Errorf("%s: no time in %s", sql, got)
			}
		}
		run(t, s, "BEGIN; INSERT INTO t VALUES (100000, 1)")
		if got := query(t, s, "EXPLAIN ANALYZE SELECT * FROM t WHERE id > 20000"); !strings.Contains(got, "actual rows=1 ") {
			t.Errorf("the transaction's row is not seen: %s", got)
		}
		run(t, s, "ROLLBACK")
	})
}
