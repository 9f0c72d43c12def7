package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/store"
)

// TestImagesOfAlteredTables reads packed rows with others over them, forwards and
// backwards, which merges them in different ways, while the table's columns change.
func TestImagesOfAlteredTables(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"SHARED", "USER"} {
		e := openStore(t, Config{}, store.Config{SegmentRows: 16})
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE "+kind+" TABLE t (id INT PRIMARY KEY, n INT, s VARCHAR(20), v BIGINT AS (n * 2) VIRTUAL) WITH (PACK='off')")
		for i := range 100 {
			run(t, s, fmt.Sprintf("INSERT INTO t (id, n, s) VALUES (%d, %d, 's%d')", i*3, i, i))
		}
		run(t, s, "PACK TABLE t")
		both := func(what string) {
			t.Helper()
			for range 3 {
				up := strings.SplitAfter(query(t, s, "SELECT * FROM t ORDER BY id"), ";")
				down := strings.SplitAfter(query(t, s, "SELECT * FROM t ORDER BY id DESC"), ";")
				up, down = up[:len(up)-1], down[:len(down)-1]
				slices.Reverse(down)
				if !slices.Equal(up, down) {
					t.Fatalf("%s: forwards %q, backwards %q", what, up, down)
				}
				wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), fmt.Sprint(len(up), ";"))
			}
		}
		for i, change := range []string{
			"UPDATE t SET n = -n, s = NULL WHERE id % 5 = 0",
			"ALTER TABLE t ADD COLUMN a INT DEFAULT 7",
			"UPDATE t SET a = 8 WHERE id % 7 = 1",
			"ALTER TABLE t MODIFY n BIGINT",
			"UPDATE t SET n = 1 << 40 WHERE id % 11 = 3",
			"ALTER TABLE t ADD COLUMN w BIGINT AS (n + a) VIRTUAL",
			"DELETE FROM t WHERE id % 13 = 2",
			"INSERT INTO t (id, n, s, a) VALUES (1, 2, 'new', 3), (20, 4, NULL, NULL), (1000, 1, 'last', 1)",
			"ALTER TABLE t DROP COLUMN s",
			"ALTER TABLE t ADD COLUMN s INT DEFAULT 4",
			"UPDATE t SET s = id WHERE id % 4 = 0",
			"BEGIN", "UPDATE t SET a = 9 WHERE id < 50", "ROLLBACK",
			"PACK TABLE t",
			"UPDATE t SET s = NULL, n = NULL WHERE id < 20",
		} {
			run(t, s, change)
			both(fmt.Sprint(kind, " ", i, " ", change))
		}
	}
}
