package engine

import (
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestSubscribeRebuild has ALTER TABLE write all rows of a watched table anew: that is no change
// of the rows, neither for who watches nor in the log.
func TestSubscribeRebuild(t *testing.T) {
	for name, alter := range map[string]string{
		"auto increment": "ALTER TABLE t ADD COLUMN x INT AUTO_INCREMENT UNIQUE",
		"force":          "ALTER TABLE t FORCE",
		"primary key":    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (n)",
		"type":           "ALTER TABLE t MODIFY other VARCHAR(20)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := openMem(t, Config{})
			s := newSession(t, e, SessionConfig{})
			run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, other INT); INSERT INTO t VALUES (1, 10, 100), (2, 20, 200)")
			sub := subscribe(t, e, "", "SUBSCRIBE TO SELECT id, n FROM t")
			sub.want("initial|1|10", "initial|2|20")
			run(t, s, "INSERT INTO t VALUES (3, 30, 300)")
			run(t, s, alter)
			sub.want("insert|3|30")
			b, err := sub.rows.Next(t.Context())
			if err == nil {
				t.Errorf("%d more changes", b.Len)
			}
			wantKind(t, sub.fails(), sqlerr.ChangesGone)
			run(t, s, "INSERT INTO t (id, n) VALUES (4, 40)")
			again := subscribe(t, e, "", "SUBSCRIBE TO SELECT id FROM t OPTIONS (last_rows = 0)")
			run(t, s, "DELETE FROM t WHERE id < 4")
			again.want("delete|1", "delete|2", "delete|3")
		})
	}
}
