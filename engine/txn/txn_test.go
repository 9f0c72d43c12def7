package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var counters = &schema.Table{
	ID: 1000, Namespace: "default", Name: "counters", Kind: schema.Shared, Version: 1,
	Columns: []schema.Column{
		{ID: 1, Name: "id", Type: types.Int64Type, NotNull: true},
		{ID: 2, Name: "n", Type: types.Int64Type},
	},
	PrimaryKey: []int{0},
}

func newManager(t *testing.T, lockWait time.Duration) *Manager {
	t.Helper()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(db, lockWait)
}

func row(id, n int64) *types.Batch {
	b := types.NewBatch(counters.Types())
	b.AppendRow([]types.Value{types.NewInt(id), types.NewInt(n)})
	return b
}

// get returns a row, nil when there is none.
func get(ctx context.Context, tx *Tx, id int64) (*types.Batch, error) {
	key := []types.Value{types.NewInt(id)}
	s := tx.Store().Shared(counters).Scan(store.ScanRequest{
		Columns: []int{0, 1}, Ranges: []store.KeyRange{{Low: key, High: key}},
	})
	defer s.Close()
	b := types.NewBatch(counters.Types())
	err := s.Next(ctx, b)
	if b.Len == 0 {
		b = nil
	}
	return b, err
}

func put(ctx context.Context, tx *Tx, id, n int64) error {
	old, err := get(ctx, tx, id)
	if err != nil {
		return err
	}
	var c *store.Conflict
	if old == nil {
		c, err = tx.Store().Shared(counters).Insert(ctx, row(id, n))
	} else {
		c, err = tx.Store().Shared(counters).Update(ctx, old, row(id, n))
	}
	if err == nil && c != nil {
		err = errors.New("conflict")
	}
	return err
}

func begin(t *testing.T, m *Manager) *Tx {
	t.Helper()
	tx := m.Begin(Options{})
	if err := tx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Rollback)
	return tx
}

func check(t *testing.T, err error, kind *sqlerr.Kind) {
	t.Helper()
	if kind == nil && err != nil || kind != nil && !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
}

func TestFirstCommitterWins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Second)
	a, b := begin(t, m), begin(t, m)
	check(t, put(ctx, a, 1, 10), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)
	check(t, put(ctx, b, 2, 1), nil) // another key
	check(t, put(ctx, b, 1, 20), sqlerr.WriteConflict)
	check(t, put(ctx, b, 1, 20), sqlerr.WriteConflict) // though the lock is held by now
	b.Rollback()

	c := begin(t, m)
	got, err := get(ctx, c, 1)
	check(t, err, nil)
	if got.Columns[1].Int64s[0] != 10 {
		t.Error("the first commit is lost")
	}
	check(t, put(ctx, c, 1, 11), nil)
	c.Rollback()
	if n := m.locks.size(); n != 0 || len(m.marks) != 0 {
		t.Errorf("%d locks and %d marks are left", n, len(m.marks))
	}
}

func TestRefreshAfterConflict(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Second)
	a, b := begin(t, m), begin(t, m)
	check(t, put(ctx, a, 1, 10), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)
	mark := b.Store().Mark()
	check(t, put(ctx, b, 1, 20), sqlerr.WriteConflict)
	b.Store().RollbackTo(mark)
	check(t, b.Refresh(), nil)
	check(t, put(ctx, b, 1, 20), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
}

func TestLockWait(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, 50*time.Millisecond)
	a, b := begin(t, m), begin(t, m)
	check(t, put(ctx, a, 1, 10), nil)
	check(t, put(ctx, b, 1, 10), sqlerr.LockWaitTimeout)
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	err := put(short, b, 1, 10)
	check(t, err, sqlerr.Interrupted)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the context's error is not wrapped")
	}
	a.Rollback()
	check(t, put(ctx, b, 1, 10), nil)
}

func TestDeadlock(t *testing.T) {
	t.Parallel()
	for n := 2; n <= 5; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			m := newManager(t, time.Minute)
			txs := make([]*Tx, n)
			for i := range txs {
				txs[i] = begin(t, m)
				check(t, put(ctx, txs[i], int64(i), 1), nil)
			}
			errs := make(chan error)
			for i, tx := range txs {
				go func() {
					err := put(ctx, tx, int64((i+1)%n), 1)
					if err == nil {
						err = tx.Commit(ctx, store.NoSync)
					}
					tx.Rollback()
					errs <- err
				}()
			}
			victims := 0
			for range txs {
				if err := <-errs; errors.Is(err, sqlerr.LockDeadlock) {
					victims++
				} else if err != nil && !errors.Is(err, sqlerr.WriteConflict) {
					t.Error(err)
				}
			}
			if victims == 0 {
				t.Error("no deadlock was found")
			}
		})
	}
}

func TestTableLocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, 30*time.Millisecond)
	a, b, c := begin(t, m), begin(t, m), begin(t, m)
	check(t, a.LockTable(ctx, 7, Shared), nil)
	check(t, b.LockTable(ctx, 7, Shared), nil)
	check(t, c.LockTable(ctx, 7, Exclusive), sqlerr.LockWaitTimeout)
	check(t, c.LockTable(ctx, 8, Exclusive), nil)
	b.Rollback()
	check(t, a.LockTable(ctx, 7, Exclusive), nil) // alone: upgraded
	check(t, c.LockTable(ctx, 7, Shared), sqlerr.LockWaitTimeout)
	a.Rollback()
	check(t, c.LockTable(ctx, 7, Shared), nil)
	check(t, m.Begin(Options{ReadOnly: true}).LockTable(ctx, 7, Shared), sqlerr.ReadOnly)
}

// A waiter for an exclusive lock must not be passed by for ever.
func TestTableLockOrder(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Minute)
	a, b, c := begin(t, m), begin(t, m), begin(t, m)
	check(t, a.LockTable(ctx, 7, Shared), nil)
	order := make(chan string, 2)
	var wg sync.WaitGroup
	waiting := func(n int) {
		for queued := -1; queued != n; {
			key := m.locks.hash(tableKey(7))
			sh := m.locks.shard(key)
			sh.mu.Lock()
			if c := sh.locks[key].crowd; c != nil {
				queued = len(c.queue)
			}
			sh.mu.Unlock()
			time.Sleep(time.Millisecond)
		}
	}
	wg.Go(func() {
		if b.LockTable(ctx, 7, Exclusive) == nil {
			order <- "exclusive"
		}
		b.Rollback()
	})
	waiting(1)
	wg.Go(func() {
		if c.LockTable(ctx, 7, Shared) == nil {
			order <- "shared"
		}
		c.Rollback()
	})
	waiting(2)
	a.Rollback()
	wg.Wait()
	if first, second := <-order, <-order; first != "exclusive" || second != "shared" {
		t.Errorf("%s came before %s", first, second)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	m := newManager(t, time.Second)
	tx := m.Begin(Options{ReadOnly: true})
	defer tx.Rollback()
	check(t, tx.Start(), nil)
	check(t, put(t.Context(), tx, 1, 1), sqlerr.ReadOnly)
}

// Statements of many goroutines that run again after a conflict all succeed,
// and none is lost.
func TestCounter(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 64, 20
	ctx := t.Context()
	m := newManager(t, time.Minute)
	setup := begin(t, m)
	check(t, put(ctx, setup, 1, 0), nil)
	check(t, setup.Commit(ctx, store.NoSync), nil)

	increment := func() error {
		tx := m.Begin(Options{})
		defer tx.Rollback()
		if err := tx.Start(); err != nil {
			return err
		}
		for {
			old, err := get(ctx, tx, 1)
			if err != nil {
				return err
			}
			err = put(ctx, tx, 1, old.Columns[1].Int64s[0]+1)
			if err == nil {
				return tx.Commit(ctx, store.NoSync)
			}
			if !errors.Is(err, sqlerr.WriteConflict) {
				return err
			}
			if err := tx.Refresh(); err != nil {
				return err
			}
		}
	}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				if err := increment(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	tx := begin(t, m)
	got, err := get(ctx, tx, 1)
	check(t, err, nil)
	if n := got.Columns[1].Int64s[0]; n != goroutines*rounds {
		t.Errorf("counted to %d, want %d", n, goroutines*rounds)
	}
	tx.Rollback()
	if n := m.locks.size(); n != 0 || len(m.marks) != 0 || m.live.Len() != 0 {
		t.Errorf("%d locks, %d marks and %d transactions are left", n, len(m.marks), m.live.Len())
	}
}

// lockRow locks the primary key of a row.
func lockRow(ctx context.Context, tx *Tx, id int64, mode Mode, wait store.LockWait) error {
	keys := &types.Batch{Columns: row(id, 0).Columns[:1], Len: 1}
	got, err := tx.Store().Shared(counters).Lock(ctx, store.LockRequest{Keys: keys, Mode: mode, Wait: wait}, nil)
	if err == nil && len(got) == 0 {
		err = errSkipped
	}
	return err
}

var errSkipped = errors.New("skipped")

func TestRowLocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, 30*time.Millisecond)
	a, b := begin(t, m), begin(t, m)
	check(t, lockRow(ctx, a, 1, Shared, store.WaitLocked), nil)
	check(t, lockRow(ctx, b, 1, Shared, store.WaitLocked), nil)
	check(t, lockRow(ctx, b, 1, Exclusive, store.FailLocked), sqlerr.LockNoWait)
	if err := lockRow(ctx, b, 1, Exclusive, store.SkipLocked); err != errSkipped {
		t.Error("a locked row was not skipped", err)
	}
	check(t, lockRow(ctx, b, 1, Exclusive, store.WaitLocked), sqlerr.LockWaitTimeout)
	check(t, put(ctx, b, 1, 1), sqlerr.LockWaitTimeout)
	check(t, lockRow(ctx, a, 2, Exclusive, store.WaitLocked), nil)
	check(t, lockRow(ctx, b, 2, Shared, store.FailLocked), sqlerr.LockNoWait)
	a.Rollback()
	check(t, lockRow(ctx, b, 1, Exclusive, store.WaitLocked), nil)
	b.Rollback()
	if n := m.locks.size(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// Two that hold a lock and want it for themselves: the second breaks the deadlock.
func TestUpgradeDeadlock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Minute)
	a, b := begin(t, m), begin(t, m)
	check(t, lockRow(ctx, a, 1, Shared, store.WaitLocked), nil)
	check(t, lockRow(ctx, b, 1, Shared, store.WaitLocked), nil)
	errs := make(chan error, 2)
	for _, tx := range []*Tx{a, b} {
		go func() {
			err := lockRow(ctx, tx, 1, Exclusive, store.WaitLocked)
			tx.Rollback()
			errs <- err
		}()
	}
	victims := 0
	for range 2 {
		if err := <-errs; errors.Is(err, sqlerr.LockDeadlock) {
			victims++
		} else {
			check(t, err, nil)
		}
	}
	if victims != 1 {
		t.Errorf("%d victims", victims)
	}
}

// A transaction that locks very many rows locks the table.
func TestEscalation(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, 20*time.Millisecond)
	a, b := begin(t, m), begin(t, m)
	check(t, put(ctx, b, -1, 1), nil) // b is writing the table, too
	many := func(from int64) {
		for id := range int64(escalateAt) {
			check(t, lockRow(ctx, a, from+id, Exclusive, store.WaitLocked), nil)
		}
	}
	many(0)
	check(t, put(ctx, b, escalateAt, 1), nil)
	check(t, lockRow(ctx, b, 0, Shared, store.FailLocked), sqlerr.LockNoWait)
	b.Rollback()
	many(escalateAt)
	c := begin(t, m)
	check(t, lockRow(ctx, c, -1, Shared, store.FailLocked), sqlerr.LockWaitTimeout) // for the table
	many(2 * escalateAt)
	if n := len(a.held); n > 2*escalateAt+1 {
		t.Errorf("%d locks are held", n)
	}
	check(t, put(ctx, a, 5*escalateAt, 1), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)
	check(t, put(ctx, c, 5*escalateAt, 2), sqlerr.WriteConflict)
	c.Rollback()
	if n := m.locks.size(); n != 0 || len(m.marks) != 0 {
		t.Errorf("%d locks and %d marks are left", n, len(m.marks))
	}
}

func beginSerializable(t *testing.T, m *Manager) *Tx {
	t.Helper()
	tx := m.Begin(Options{Serializable: true})
	if err := tx.Start(); err != nil {
		t.Fatal(err)
	}
	return tx
}

// count returns the number of rows from one id up to another.
func count(ctx context.Context, tx *Tx, from, to int64) (int, error) {
	s := tx.Store().Shared(counters).Scan(store.ScanRequest{Columns: []int{0},
		Ranges: []store.KeyRange{{Low: []types.Value{types.NewInt(from)}, High: []types.Value{types.NewInt(to)}}}})
	defer s.Close()
	b := types.NewBatch([]types.Type{types.Int64Type})
	n := 0
	for {
		if err := s.Next(ctx, b); err != nil || b.Len == 0 {
			return n, err
		}
		n += b.Len
	}
}

func TestSerializable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Second)
	read := func(tx *Tx, id int64) {
		t.Helper()
		_, err := get(ctx, tx, id)
		check(t, err, nil)
	}
	scan := func(tx *Tx, from, to int64) {
		t.Helper()
		_, err := count(ctx, tx, from, to)
		check(t, err, nil)
	}
	// Write skew: of two that read both rows and write one each, one commits.
	a, b := beginSerializable(t, m), beginSerializable(t, m)
	read(a, 1)
	read(a, 2)
	read(b, 1)
	read(b, 2)
	check(t, put(ctx, a, 1, 1), nil)
	check(t, put(ctx, b, 2, 1), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)
	check(t, b.Commit(ctx, store.NoSync), sqlerr.WriteConflict)

	// The same with ranges that have no rows yet: phantoms.
	a, b = beginSerializable(t, m), beginSerializable(t, m)
	scan(a, 10, 19)
	scan(b, 10, 19)
	check(t, put(ctx, a, 10, 1), nil)
	check(t, put(ctx, b, 11, 1), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	check(t, a.Commit(ctx, store.NoSync), sqlerr.WriteConflict)

	// Outside of what was read nothing is in the way.
	a, b = beginSerializable(t, m), beginSerializable(t, m)
	scan(a, 20, 29)
	scan(b, 30, 39)
	check(t, put(ctx, a, 40, 1), nil)
	check(t, put(ctx, b, 41, 1), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)

	// One that only reads needs no check; other levels' writes count.
	a, b = beginSerializable(t, m), begin(t, m)
	read(a, 50)
	check(t, put(ctx, b, 50, 1), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	check(t, a.Commit(ctx, store.NoSync), nil)
	a, b = beginSerializable(t, m), begin(t, m)
	read(a, 50)
	check(t, put(ctx, b, 50, 2), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	check(t, put(ctx, a, 51, 2), nil)
	check(t, a.Commit(ctx, store.NoSync), sqlerr.WriteConflict)

	// Very many reads are kept as ranges.
	a, b = beginSerializable(t, m), begin(t, m)
	for id := range int64(20000) {
		read(a, 1000+2*id)
	}
	check(t, put(ctx, b, 1001, 1), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	check(t, put(ctx, a, 60, 1), nil)
	check(t, a.Commit(ctx, store.NoSync), sqlerr.WriteConflict)

	if len(m.log) != 0 || m.tracking != 0 || m.locks.size() != 0 {
		t.Errorf("%d commits, %d transactions and %d locks are left", len(m.log), m.tracking, m.locks.size())
	}
}

// In user tables it locks the user's part: others go on, and hear of no conflict.
func TestEscalationOfUser(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, 20*time.Millisecond)
	notes := *counters
	notes.ID, notes.Name, notes.Kind = 1001, "notes", schema.User
	insert := func(tx *Tx, user string, from, n int64) error {
		rows := types.NewBatch(notes.Types())
		for id := from; id < from+n; id++ {
			rows.AppendRow([]types.Value{types.NewInt(id), types.NewInt(0)})
		}
		_, err := tx.Store().User(&notes, user).Insert(ctx, rows)
		return err
	}
	early := begin(t, m)
	a := begin(t, m)
	check(t, insert(a, "ann", 0, escalateAt), nil)
	if n := len(a.held); n > escalateAt+2 {
		t.Errorf("%d locks are held", n)
	}
	held := len(a.held)
	check(t, insert(a, "ann", escalateAt, manyKeys), nil)
	if len(a.held) != held {
		t.Errorf("%d locks are held, %d before", len(a.held), held)
	}
	b := begin(t, m)
	check(t, insert(b, "bob", 0, 10), nil)
	check(t, b.Commit(ctx, store.NoSync), nil)
	b = begin(t, m)
	check(t, insert(b, "ann", -10, 1), sqlerr.LockWaitTimeout)
	b.Rollback()
	check(t, m.Begin(Options{TableWait: time.Millisecond}).LockTable(ctx, notes.ID, Exclusive), sqlerr.LockWaitTimeout)
	check(t, a.Commit(ctx, store.NoSync), nil)
	check(t, insert(early, "bob", 20, 1), nil)
	check(t, insert(early, "ann", -10, 1), sqlerr.WriteConflict)
	early.Rollback()
	whole := begin(t, m)
	check(t, whole.LockTable(ctx, notes.ID, Exclusive), nil)
	check(t, insert(begin(t, m), "bob", 30, 1), sqlerr.LockWaitTimeout)
	check(t, insert(whole, "ann", -10, 1), nil)
}
