package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The anomalies of Hermitage (Martin Kleppmann, "Hermitage: Testing the 'I' in
// ACID", 2014). Each is a script of interleaved steps that tells whether the
// anomaly occurs.
var anomalies = []struct {
	name string
	play func(*stage) bool
}{
	{"G0", writeCycle}, {"G1a", abortedRead}, {"G1b", intermediateRead}, {"G1c", circularFlow}, {"OTV", vanishes},
	{"PMP", manyPreceders}, {"P4", lostUpdate}, {"G-single", readSkew}, {"G2-item", writeSkew}, {"G2", antiDependencies},
}

var levels = []sql.IsolationLevel{
	sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable,
}

// table plays all scripts and returns a line for each level, beneath a head.
func table(ctx context.Context, db *sql.DB) ([]string, error) {
	head := fmt.Sprintf("%-16s", "")
	for _, a := range anomalies {
		head += fmt.Sprintf(" %-9s", a.name)
	}
	lines := []string{strings.TrimRight(head, " ")}
	for _, level := range levels {
		line := fmt.Sprintf("%-16s", strings.ToUpper(level.String()))
		for _, a := range anomalies {
			occurs, err := play(ctx, db, level, a.play)
			if err != nil {
				return lines, fmt.Errorf("%s at %v: %w", a.name, level, err)
			}
			line += fmt.Sprintf(" %-9s", map[bool]string{true: "occurs", false: "-"}[occurs])
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines, nil
}

// stage is where a script plays: three transactions of one level.
type stage struct {
	ctx   context.Context
	db    *sql.DB
	actor [4]*actor // 1 to 3
	err   error     // that no script expects
}

// actor runs the steps of one transaction, which may have to wait for others.
type actor struct {
	stage *stage
	tx    *sql.Tx
	steps chan func()
	last  chan struct{} // closed when the steps so far are done
	fail  error         // why the transaction was rolled back: a conflict or a deadlock
}

func play(ctx context.Context, db *sql.DB, level sql.IsolationLevel, script func(*stage) bool) (bool, error) {
	_, err := db.ExecContext(ctx, `
		DROP TABLE IF EXISTS test;
		CREATE TABLE test (id INT PRIMARY KEY, value INT);
		INSERT INTO test VALUES (1, 10), (2, 20)`)
	if err != nil {
		return false, err
	}
	s := &stage{ctx: ctx, db: db}
	for i := 1; i <= 3; i++ {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
		if err != nil {
			return false, err
		}
		defer tx.Rollback()
		a := &actor{stage: s, tx: tx, steps: make(chan func(), 16)}
		s.actor[i] = a
		go func() {
			for f := range a.steps {
				f()
			}
		}()
		defer close(a.steps)
	}
	occurs := script(s)
	for _, a := range s.actor[1:] {
		a.wait()
	}
	return occurs, s.err
}

// patience is how long a step may take before it counts as waiting for another
// transaction.
const patience = 100 * time.Millisecond

// do runs a step after those before it; it returns once the step is done or waits.
func (a *actor) do(f func() error) {
	done := make(chan struct{})
	a.last = done
	a.steps <- func() {
		defer close(done)
		if a.fail != nil {
			return
		}
		err := f()
		if retryable(err) {
			a.fail = err
			a.tx.Rollback()
		} else if err != nil && a.stage.err == nil {
			a.stage.err = err
		}
	}
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// wait waits for the actor's steps to be done.
func (a *actor) wait() {
	if a.last != nil {
		<-a.last
	}
}

func (s *stage) exec(t int, query string) {
	a := s.actor[t]
	a.do(func() error { _, err := a.tx.ExecContext(s.ctx, query); return err })
}

// query returns the integers that a query yields, which must not wait.
func (s *stage) query(t int, query string) (list []int) {
	a := s.actor[t]
	a.do(func() error {
		rows, err := a.tx.QueryContext(s.ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			list = append(list, n)
		}
		return rows.Err()
	})
	a.wait()
	return list
}

func (s *stage) value(t, id int) int {
	if list := s.query(t, fmt.Sprintf("SELECT value FROM test WHERE id = %d", id)); len(list) == 1 {
		return list[0]
	}
	return -1
}

func (s *stage) set(t, id, value int) {
	s.exec(t, fmt.Sprintf("UPDATE test SET value = %d WHERE id = %d", value, id))
}

func (s *stage) commit(t int) {
	a := s.actor[t]
	a.do(func() error { return a.tx.Commit() })
}

func (s *stage) rollback(t int) {
	a := s.actor[t]
	a.do(func() error { return a.tx.Rollback() })
}

// committed reports whether transactions, whose last steps were commits, have all
// committed.
func (s *stage) committed(ts ...int) bool {
	for _, t := range ts {
		s.actor[t].wait()
	}
	return !slices.ContainsFunc(ts, func(t int) bool { return s.actor[t].fail != nil })
}

// now returns what is committed.
func (s *stage) now(id int) int {
	var n int
	if err := s.db.QueryRowContext(s.ctx, "SELECT value FROM test WHERE id = ?", id).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) && s.err == nil {
		s.err = err
	}
	return n
}

func writeCycle(s *stage) bool {
	s.set(1, 1, 11)
	s.set(2, 1, 12) // waits
	s.set(1, 2, 21)
	s.commit(1)
	s.set(2, 2, 22)
	s.commit(2)
	s.committed(1, 2)
	return s.now(1)%10 != s.now(2)%10
}

func abortedRead(s *stage) bool {
	s.set(1, 1, 101)
	before := s.value(2, 1)
	s.rollback(1)
	after := s.value(2, 1)
	s.commit(2)
	return before == 101 || after == 101
}

func intermediateRead(s *stage) bool {
	s.set(1, 1, 101)
	before := s.value(2, 1)
	s.set(1, 1, 11)
	s.commit(1)
	after := s.value(2, 1)
	s.commit(2)
	return before == 101 || after == 101
}

func circularFlow(s *stage) bool {
	s.set(1, 1, 11)
	s.set(2, 2, 22)
	two, one := s.value(1, 2), s.value(2, 1)
	s.commit(1)
	s.commit(2)
	return two == 22 && one == 11
}

func vanishes(s *stage) bool {
	s.set(1, 1, 11)
	s.set(1, 2, 19)
	s.set(2, 1, 12) // waits
	s.commit(1)
	var seen []int // by which transaction what is read was written
	look := func(id int) { seen = append(seen, map[int]int{11: 1, 19: 1, 12: 2, 18: 2}[s.value(3, id)]) }
	look(1)
	s.set(2, 2, 18)
	look(2)
	s.commit(2)
	s.committed(2)
	look(2)
	look(1)
	s.commit(3)
	return !slices.IsSorted(seen)
}

func manyPreceders(s *stage) bool {
	first := s.query(1, "SELECT id FROM test WHERE value = 30")
	s.exec(2, "INSERT INTO test VALUES (3, 30)")
	s.commit(2)
	second := s.query(1, "SELECT id FROM test WHERE value % 3 = 0")
	s.commit(1)
	return len(first) == 0 && len(second) > 0
}

func lostUpdate(s *stage) bool {
	s.value(1, 1)
	s.value(2, 1)
	s.set(1, 1, 11)
	s.set(2, 1, 12) // waits
	s.commit(1)
	s.commit(2)
	return s.committed(1, 2)
}

func readSkew(s *stage) bool {
	one := s.value(1, 1)
	s.value(2, 1)
	s.value(2, 2)
	s.set(2, 1, 12)
	s.set(2, 2, 18)
	s.commit(2)
	two := s.value(1, 2)
	s.commit(1)
	return one == 10 && two == 18
}

func writeSkew(s *stage) bool {
	for t := 1; t <= 2; t++ {
		s.query(t, "SELECT value FROM test WHERE id IN (1, 2)")
	}
	s.set(1, 1, 11)
	s.set(2, 2, 21)
	s.commit(1)
	s.commit(2)
	return s.committed(1, 2)
}

func antiDependencies(s *stage) bool {
	for t := 1; t <= 2; t++ {
		s.query(t, "SELECT id FROM test WHERE value % 3 = 0")
	}
	s.exec(1, "INSERT INTO test VALUES (3, 30)")
	s.exec(2, "INSERT INTO test VALUES (4, 42)")
	s.commit(1)
	s.commit(2)
	return s.committed(1, 2)
}
