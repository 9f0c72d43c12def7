package engine

import (
	"fmt"
	"sync"
	"testing"
)

// rerun are queries whose operators serve further executions, with two rows of
// arguments, and what is expected of users a and b with each.
var rerun = []struct {
	sql  string
	args [2][]Arg
	want [2][2]string // by user, then arguments
}{
	{"SELECT id, s FROM t WHERE id = ?", [2][]Arg{{intArg(2)}, {intArg(9)}}, [2][2]string{{"2|a2;", ""}, {"2|b2;", ""}}},
	{"SELECT s FROM t WHERE id BETWEEN ? AND ? AND n <> ?", [2][]Arg{{intArg(1), intArg(3), intArg(20)}, {intArg(2), intArg(4), textArg("30.0")}},
		[2][2]string{{"a1;a3;", "a2;a4;"}, {"b1;b3;", "b2;b4;"}}},
	{"SELECT id FROM t WHERE n = ? LIMIT ?", [2][]Arg{{intArg(10), intArg(5)}, {intArg(40), intArg(0)}}, [2][2]string{{"1;", ""}, {"1;", ""}}},
	{"SELECT id + ? FROM t WHERE s LIKE ?", [2][]Arg{{intArg(1), textArg("%1")}, {intArg(5), textArg("_2")}}, [2][2]string{{"2;", "7;"}, {"2;", "7;"}}},
	{"SELECT ? IS NULL, CURRENT_USER() = ? FROM t WHERE id = 1", [2][]Arg{{{}, textArg("a")}, {{}, textArg("b")}},
		[2][2]string{{"1|1;", "1|0;"}, {"1|0;", "1|1;"}}},
	{"SELECT s FROM t WHERE id IN (?, 4) AND n > (SELECT MIN(n) FROM t WHERE id >= ?)", [2][]Arg{{intArg(2), intArg(1)}, {intArg(3), intArg(3)}},
		[2][2]string{{"a2;a4;", "a4;"}, {"b2;b4;", "b4;"}}},
	{"SELECT id FROM t WHERE k = ? AND id > ?", [2][]Arg{{textArg("x"), intArg(0)}, {textArg("y"), intArg(2)}}, [2][2]string{{"1;3;", "4;"}, {"1;3;", "4;"}}},
}

// TestRerun runs queries for several users and arguments at once, again and again.
func TestRerun(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY, n INT, s VARCHAR(9), k CHAR(1), KEY (k), KEY (n))")
		for _, u := range []string{"a", "b"} {
			for i := 1; i <= 4; i++ {
				runAs(t, s, u, fmt.Sprintf("INSERT INTO t VALUES (%d, %d, '%s%d', '%c')", i, 10*i, u, i, "yx"[i%2]))
			}
		}
		var wg sync.WaitGroup
		for c := range 4 {
			s := newSession(t, e, SessionConfig{})
			wg.Go(func() {
				for i := range 40 {
					q := &rerun[(i+c)%len(rerun)]
					u, k := (i/3+c)%2, i%2
					if got := as(t, s, string(rune('a'+u)), q.sql, q.args[k]...); got != q.want[u][k] {
						t.Errorf("%s, arguments %d, user %d: got %q, want %q", q.sql, k, u, got, q.want[u][k])
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestRerunAfterFailure runs a query again that failed in the middle, and one of which
// rows were left unread.
func TestRerunAfterFailure(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, '{}'), (2, '{'), (3, '[]')")
		run(t, s, "SET SESSION cte_max_recursion_depth = 10000; INSERT INTO t WITH RECURSIVE x (i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM x WHERE i < 5000) SELECT i, '[1]' FROM x")
		for range 3 {
			rows, err := s.Query(t.Context(), "SELECT JSON_LENGTH(s) FROM t WHERE id >= ?", []Arg{intArg(2)})
			if err == nil {
				_, err = rows.Next(t.Context())
				rows.Close()
			}
			if err == nil {
				t.Fatal("no error")
			}
			rows, err = s.Query(t.Context(), "SELECT id FROM t WHERE id >= ?", []Arg{intArg(3)})
			if err != nil {
				t.Fatal(err)
			}
			b, err := rows.Next(t.Context())
			if err != nil || b.Columns[0].Int64s[0] != 3 {
				t.Fatal(b, err)
			}
			other := query(t, s, "SELECT id FROM t WHERE id >= ?", intArg(4999))
			wantText(t, other, "4999;5000;")
			if b.Columns[0].Int64s[0] != 3 || b.Columns[0].Int64s[1] != 4 {
				t.Error("rows that are open changed")
			}
			rows.Close()
			wantText(t, query(t, s, "SELECT JSON_LENGTH(s) FROM t WHERE id >= ?", intArg(4999)), "1;1;")
		}
	})
}

// TestRerunWrites runs the same changes for several users at once, again and again, some
// of which fail.
func TestRerunWrites(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY, n TINYINT, s VARCHAR(9) DEFAULT 'none', at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6), UNIQUE (n))")
		var wg sync.WaitGroup
		for c := range 4 {
			s := newSession(t, e, SessionConfig{})
			ctx := WithUser(t.Context(), fmt.Sprint("user", c))
			exec := func(sql string, args ...Arg) int64 {
				r, err := s.Exec(ctx, sql, args)
				if err != nil {
					return -1
				}
				return r.RowsAffected
			}
			wg.Go(func() {
				for i := range int64(30) {
					for _, step := range []struct{ got, want int64 }{
						{exec("INSERT INTO t (id, n) VALUES (?, ?)", intArg(i), intArg(i%10)), map[bool]int64{true: 1, false: -1}[i < 10]},
						{exec("INSERT INTO t VALUES (?, ?, ?, NOW(6))", intArg(100+i), intArg(100+i), textArg(fmt.Sprint(c))), map[bool]int64{true: 1, false: -1}[i < 28]},
						{exec("UPDATE t SET s = CONCAT(s, ?), n = n + ? WHERE id = ?", textArg("x"), intArg(0), intArg(100+i)), map[bool]int64{true: 1, false: 0}[i < 28]},
						{exec("UPDATE t SET n = ? WHERE id = ?", intArg(200), intArg(100+i)), map[bool]int64{true: -1, false: 0}[i < 28]},
						{exec("DELETE FROM t WHERE id BETWEEN ? AND ?", intArg(100+i-1), intArg(100+i-1)), map[bool]int64{true: 1, false: 0}[i > 0 && i < 29]},
					} {
						if step.got != step.want {
							t.Errorf("user %d, round %d: %+v", c, i, step)
						}
					}
				}
				want := "10|45|0;"
				if got := as(t, s, fmt.Sprint("user", c), "SELECT COUNT(*), SUM(n), SUM(s <> 'none') FROM t"); got != want {
					t.Errorf("user %d: got %s, want %s", c, got, want)
				}
			})
		}
		wg.Wait()
	})
}
