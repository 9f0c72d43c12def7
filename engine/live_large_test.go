package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// follower reads a live query that is independent of sessions.
type follower struct {
	t   *testing.T
	sub *Subscription
}

func follow(t *testing.T, e *Engine, sql string, o SubscribeOptions) *follower {
	t.Helper()
	sub, err := newSession(t, e, SessionConfig{}).Subscribe(t.Context(), sql, nil, o)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	t.Cleanup(func() { sub.Close() })
	return &follower{t, sub}
}

func (f *follower) next() (*types.Batch, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	return f.sub.Next(ctx)
}

// commit reads on to what ends a commit, and returns the first columns of the rows.
func (f *follower) commit() string {
	f.t.Helper()
	var list []string
	for {
		b, err := f.next()
		if err != nil {
			f.t.Fatalf("after %d rows: %v", len(list), err)
		}
		for i := range b.Len {
			list = append(list, string(types.AppendText(nil, b.Columns[2].Type, b.Columns[2].Value(i))))
		}
		if f.sub.Whole() {
			return strings.Join(list, ",")
		}
	}
}

// stepped returns the numbers up to n that are from more than a multiple of step.
func stepped(n, step, from int) string {
	var list []string
	for i := from; i < n; i += step {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, ",")
}

// TestSubscribeLargeParts has a commit that is not handed on in memory come part by part, to
// those whose buffers take it and to those who read the rest of it in the log.
func TestSubscribeLargeParts(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE d (n INT PRIMARY KEY); INSERT INTO d VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); CREATE TABLE m (id INT PRIMARY KEY, room INT, body VARCHAR(500))")
		const rows = 10_000
		none := SubscribeOptions{LastRows: new(int64)}
		all := follow(t, e, "SELECT id FROM m", none)
		some := follow(t, e, "SELECT id FROM m WHERE id % 500 = 3", none)
		small := none
		small.Buffer = 7
		little := follow(t, e, "SELECT id FROM m WHERE id % 500 = 3", small)
		room := follow(t, e, "SELECT id FROM m WHERE room = 7", none)
		front := follow(t, e, "SELECT id FROM m WHERE id < 2", none)
		for range 2 {
			run(t, s, "INSERT INTO m SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n, a.n, REPEAT('x', 300) FROM d a, d b, d c, d d")
			for name, f := range map[string]struct {
				*follower
				step, from, n int
			}{"all": {all, 1, 0, rows}, "some": {some, 500, 3, rows}, "little": {little, 500, 3, rows}, "room": {room, 10, 7, rows}, "front": {front, 1, 0, 2}} {
				if got := f.commit(); got != stepped(f.n, f.step, f.from) {
					t.Errorf("%s: %.200s", name, got)
				}
			}
			run(t, s, "DELETE FROM m")
			for _, f := range []*follower{all, some, little, room, front} {
				f.commit()
			}
		}
	})
}

// TestSubscribeLargeElsewhere has a live query that a large commit is not for go on by itself:
// it does not have to read the log, which soon has no more of that commit.
func TestSubscribeLargeElsewhere(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LogBytes: 8 << 20})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, room INT, body VARCHAR(1000))")
	sub := follow(t, e, "SELECT room FROM m WHERE room = 7", SubscribeOptions{LastRows: new(int64)})
	values := strings.Repeat("(8, REPEAT('x', 1000)),", 3000)
	for range 5 {
		run(t, s, "INSERT INTO m (room, body) VALUES "+strings.TrimSuffix(values, ","))
	}
	run(t, s, "INSERT INTO m (room, body) VALUES (7, 'seen')")
	if got := sub.commit(); got != "7" {
		t.Error(got)
	}
}

// TestSubscribeLost has a commit that the log does not take end live queries, and say so.
func TestSubscribeLost(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LogBytes: 20_000})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, body VARCHAR(1000))")
	sub := subscribe(t, e, "", "SUBSCRIBE TO m")
	run(t, s, "INSERT INTO m (body) VALUES "+strings.TrimSuffix(strings.Repeat("(REPEAT('x', 1000)),", 50), ","))
	err := sub.fails()
	wantKind(t, err, sqlerr.SubscriberSlow)
	if !strings.Contains(err.Error(), "changed more rows than the table's log of changes takes") {
		t.Error(err)
	}
}

// TestSubscribeWhole tells the last change of a commit that the query has, also where the end of
// the commit is nothing for it.
func TestSubscribeWhole(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE m (id INT PRIMARY KEY, room INT, body TEXT)")
		live := follow(t, e, "SELECT id FROM m WHERE room = 7", SubscribeOptions{})
		shown := follow(t, e, "SELECT LEAST(id, 5) FROM m", SubscribeOptions{})
		from := live.sub.Seq()
		run(t, s, "INSERT INTO m SELECT n, IF(n < 10, 7, 8), REPEAT('x', 60000) FROM (WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 19) SELECT n FROM r) x")
		resumed := follow(t, e, "SELECT id FROM m WHERE room = 7", SubscribeOptions{FromSeq: &from})
		for _, f := range []*follower{live, resumed} {
			if got := f.commit(); got != stepped(10, 1, 0) {
				t.Error(got)
			}
		}
		shown.commit()
		run(t, s, "UPDATE m SET id = id + 100 WHERE id >= 3")
		if got := shown.commit(); strings.Count(got, ",") != 33 {
			t.Error(got)
		}
		run(t, s, "UPDATE m SET body = REPEAT('y', 60000)") // which shown does not show
		run(t, s, "UPDATE m SET id = 4 WHERE id = 1")
		if got := shown.commit(); got != "1,4" {
			t.Error(got)
		}
	})
}
