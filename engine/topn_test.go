package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/store"
)

// TestOrderedFirst compares the first rows in some order with those of the whole order,
// of rows that are so many that scans are told which are too late.
func TestOrderedFirst(t *testing.T) {
	t.Parallel()
	e := openStore(t, Config{}, store.Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, i INT, u BIGINT UNSIGNED, x DOUBLE, s VARCHAR(20), c VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, d DATE, w TEXT) WITH (PACK='off')")
	run(t, s, "CREATE TABLE other (k INT PRIMARY KEY, y INT)")
	const rows = 6500
	var list strings.Builder
	for i := range rows {
		n := i * 7919 % rows // in no order
		value := func(v string) string {
			if n%101 == 0 {
				return "NULL"
			}
			return v
		}
		fmt.Fprintf(&list, ",(%d,%s,%s,%s,%s,%s,%s,'text %d')", i, value(fmt.Sprint(n%500-250)), value(fmt.Sprint(uint64(n)<<50)),
			value(fmt.Sprintf("%d.25", n%3000-1500)), value(fmt.Sprintf("'s%05d'", n/3)), value(fmt.Sprintf("'%c%d'", "aAbB"[n%4], n%7)),
			value(fmt.Sprintf("'2024-%02d-%02d'", n%12+1, n%28+1)), i)
		if (i+1)%1300 == 0 {
			run(t, s, "INSERT INTO t VALUES "+list.String()[1:])
			list.Reset()
		}
	}
	for k := range 400 {
		fmt.Fprintf(&list, ",(%d,%d)", k-200, k%13)
	}
	run(t, s, "INSERT INTO other VALUES "+list.String()[1:])
	for _, state := range []string{"fresh", "packed", "updated"} {
		switch state {
		case "packed":
			run(t, s, "PACK TABLE t")
		case "updated":
			run(t, s, "UPDATE t SET i = i + 1, x = -x WHERE id % 9 = 0")
			run(t, s, "DELETE FROM t WHERE id % 17 = 3")
		}
		for _, column := range []string{"i", "u", "x", "s", "c", "i + 1"} {
			for _, direction := range []string{"", " DESC"} {
				order := " ORDER BY " + column + direction + ", id DESC"
				for _, from := range []string{
					"SELECT id, i, x, w FROM t",
					"SELECT id, i, x, w FROM t WHERE i > -100",
					"SELECT id, i, y FROM t LEFT JOIN other ON k = i",
					"SELECT id, i, y FROM t JOIN other ON k = i",
					"SELECT DISTINCT i, x, s, u, c, id FROM t",
				} {
					whole := query(t, s, from+order)
					first := query(t, s, from+order+" LIMIT 7 OFFSET 3")
					want := strings.Join(strings.SplitAfter(whole, ";")[3:10], "")
					if first != want {
						t.Fatalf("%s: %s%s: %s, not %s", state, from, order, first, want)
					}
				}
			}
		}
		wantText(t, query(t, s, "SELECT i, COUNT(*) FROM t GROUP BY i ORDER BY i DESC LIMIT 3"), strings.Join(strings.SplitAfter(query(t, s, "SELECT i, COUNT(*) FROM t GROUP BY i ORDER BY i DESC"), ";")[:3], ""))
		query(t, s, "SELECT SQL_CALC_FOUND_ROWS x FROM t ORDER BY x LIMIT 2")
		wantText(t, query(t, s, "SELECT FOUND_ROWS()"), query(t, s, "SELECT COUNT(*) FROM t"))
	}
}
