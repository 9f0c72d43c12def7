package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestAlterTouchesNoAnswer makes random changes of a table. What they leave to old
// rows reads as in a copy of the table and as when all are written anew, by every index.
func TestAlterTouchesNoAnswer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		s := newSession(t, openMem(t, Config{}), SessionConfig{})
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(list ...string) string { return list[r.IntN(len(list))] }
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, base INT, txt VARCHAR(40), KEY base (base DESC))")
		next, columns := 0, []string{"base", "txt"}
		id := 0
		insert := func() {
			for range 1 + r.IntN(4) {
				id++
				// What keys and columns without default refuse is left out.
				s.Exec(context.Background(), fmt.Sprintf("INSERT INTO t (id, base, txt) VALUES (%d, %s, %s)",
					id, pick("NULL", "1", "2", "70000"), pick("NULL", "'a'", "'b7'", "'A'")), nil)
			}
		}
		insert()
		for range 25 {
			next++
			var sql string
			switch r.IntN(12) {
			case 0, 1:
				c := fmt.Sprintf("c%d", next)
				columns = append(columns, c)
				sql = "ADD COLUMN " + c + " " + pick("INT", "TINYINT DEFAULT 7", "VARCHAR(20) NOT NULL DEFAULT 'x'", "DECIMAL(8,2) DEFAULT 1.5 NOT NULL",
					"DATE DEFAULT '2024-01-01'", "DOUBLE NOT NULL", "TEXT", "ENUM('a','b') NOT NULL", "SMALLINT UNSIGNED DEFAULT (3 + 4)", "VARCHAR(9) DEFAULT (CONCAT('d', base))",
					"BIGINT AS (base + id)", "BIGINT AS (base * 2) STORED", "VARCHAR(50) AS (CONCAT(txt, '-', id)) VIRTUAL", "VARCHAR(50) AS (UPPER(txt)) STORED") + pick("", " FIRST", " AFTER id")
			case 2:
				if len(columns) > 2 {
					i := 2 + r.IntN(len(columns)-2)
					sql = "DROP COLUMN " + columns[i]
				}
			case 3:
				c := columns[r.IntN(len(columns))]
				sql = fmt.Sprintf("ADD %s k%d (%s%s, base%s)", pick("KEY", "KEY", "UNIQUE KEY"), next, c, pick("", " DESC"), pick("", " DESC"))
				if c == "base" {
					sql = fmt.Sprintf("ADD KEY k%d (txt(1), base)", next)
				}
			case 4:
				sql = fmt.Sprintf("DROP KEY k%d", 1+r.IntN(next))
			case 5:
				sql = "MODIFY base " + pick("INT", "BIGINT", "DECIMAL(12,1)", "BIGINT DEFAULT 9")
			case 6:
				sql = "MODIFY txt " + pick("VARCHAR(40)", "VARCHAR(60)", "TEXT", "VARCHAR(50) COLLATE utf8mb4_0900_ai_ci")
			case 7:
				sql = pick("DROP PRIMARY KEY, ADD PRIMARY KEY (id DESC)", "DROP PRIMARY KEY, ADD PRIMARY KEY (id)", "DROP PRIMARY KEY", "ADD PRIMARY KEY (id)")
			case 8:
				if len(columns) > 2 {
					i := 2 + r.IntN(len(columns)-2)
					c := fmt.Sprintf("r%d", next)
					sql = "RENAME COLUMN " + columns[i] + " TO " + c
				}
			case 9:
				if len(columns) > 2 {
					sql = "ALTER COLUMN " + columns[2+r.IntN(len(columns)-2)] + " " + pick("SET DEFAULT NULL", "DROP DEFAULT", "SET DEFAULT 5")
				}
			default:
				insert()
				s.Exec(context.Background(), fmt.Sprintf("UPDATE t SET base = base + 1 WHERE id %% 3 = %d", r.IntN(3)), nil)
				run(t, s, fmt.Sprintf("DELETE FROM t WHERE id = %d", r.IntN(id+1)))
			}
			if sql == "" {
				continue
			}
			_, err := s.Exec(context.Background(), "ALTER TABLE t "+sql, nil)
			what := fmt.Sprintf("seed %d: %s: %v", seed, sql, err)
			columns = columns[:0]
			var stored []string
			for line := range strings.SplitSeq(query(t, s, "SHOW COLUMNS FROM t"), ";") {
				if f := strings.Split(line, "|"); len(f) == 6 {
					if !strings.Contains(f[5], "STORED") && !strings.Contains(f[5], "VIRTUAL") {
						stored = append(stored, f[0])
					}
					if f[0] != "id" && f[0] != "base" && f[0] != "txt" {
						columns = append(columns, f[0])
					}
				}
			}
			columns = append([]string{"base", "txt"}, columns...)
			const all = "SELECT * FROM %s ORDER BY id"
			want := query(t, s, fmt.Sprintf(all, "t"))
			run(t, s, "CREATE TABLE u LIKE t")
			list := strings.Join(stored, ", ")
			if _, err := s.Exec(context.Background(), "INSERT INTO u ("+list+") SELECT "+list+" FROM t", nil); err != nil {
				t.Fatalf("%s\na copy cannot be filled: %v\n%s\n%s", what, err, query(t, s, "SHOW CREATE TABLE t"), want)
			}
			if got := query(t, s, fmt.Sprintf(all, "u")); got != want {
				t.Fatalf("%s\na copy has %s\nthe table  %s", what, got, want)
			}
			run(t, s, "DROP TABLE u")
			for line := range strings.SplitSeq(query(t, s, "SHOW INDEX FROM t"), ";") {
				if f := strings.Split(line, "|"); len(f) > 4 {
					by := "SELECT id, " + f[4] + " FROM t %s ORDER BY id"
					if got, want := query(t, s, fmt.Sprintf(by, "FORCE INDEX ("+f[2]+")")), query(t, s, fmt.Sprintf(by, "USE INDEX ()")); got != want {
						t.Fatalf("%s\nby %s: %s\nwithout %s", what, f[2], got, want)
					}
				}
			}
			if got := query(t, s, "CHECK TABLE t EXTENDED"); !strings.HasSuffix(got, "|status|OK;") {
				t.Fatalf("%s\n%s", what, got)
			}
			if r.IntN(4) > 0 {
				continue
			}
			run(t, s, "ALTER TABLE t FORCE")
			if got := query(t, s, fmt.Sprintf(all, "t")); got != want {
				t.Fatalf("%s\nbefore %s\nafter  %s", what, want, got)
			}
		}
	}
}
