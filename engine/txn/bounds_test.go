package txn

import (
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// texts is a table whose rows are large.
var texts = &schema.Table{
	ID: 1001, Namespace: "default", Name: "texts", Kind: schema.Shared, Version: 1,
	Columns: []schema.Column{
		{ID: 1, Name: "id", Type: types.Int64Type, NotNull: true},
		{ID: 2, Name: "v", Type: types.TextType},
	},
	PrimaryKey: []int{0},
}

// write commits one row of texts.
func write(t *testing.T, m *Manager, id int64, v string) {
	t.Helper()
	b := types.NewBatch(texts.Types())
	b.AppendRow([]types.Value{types.NewInt(id), types.NewString(v)})
	tx := begin(t, m)
	c, err := tx.Store().Shared(texts).Insert(t.Context(), b)
	if err == nil && c == nil {
		err = tx.Commit(t.Context(), store.NoSync)
	}
	check(t, err, nil)
}

// TestLongSerializable keeps a serializable transaction open while others write much
// more than what is kept of what they wrote. It is refused if they wrote what it read.
func TestLongSerializable(t *testing.T) {
	t.Parallel()
	for _, conflict := range []bool{false, true} {
		ctx := t.Context()
		m := newManager(t, time.Second)
		long := beginSerializable(t, m)
		for _, id := range []int64{1, 2} {
			if _, err := get(ctx, long, id); err != nil {
				t.Fatal(err)
			}
		}
		value := string(make([]byte, 4<<10))
		most := 0
		for i := range int64(7000) {
			write(t, m, 2*i, value)
			if i == 100 && conflict {
				other := begin(t, m)
				check(t, put(ctx, other, 2, 7), nil)
				check(t, other.Commit(ctx, store.NoSync), nil)
			}
			most = max(most, m.logBytes)
		}
		if most > maxLogBytes+1<<20 {
			t.Errorf("%d bytes of writes were kept", most)
		}
		t.Logf("at most %d bytes in the log, %d commits", most, len(m.log))
		// Who began in between is not touched by what is merged.
		young := beginSerializable(t, m)
		if _, err := get(ctx, young, 2); err != nil {
			t.Fatal(err)
		}
		check(t, put(ctx, young, 50, 1), nil)
		check(t, young.Commit(ctx, store.NoSync), nil)
		check(t, put(ctx, long, 60, 1), nil)
		var want *sqlerr.Kind
		if conflict {
			want = sqlerr.WriteConflict
		}
		check(t, long.Commit(ctx, store.NoSync), want)
		if m.logBytes != 0 || len(m.log) != 0 {
			t.Errorf("left: %d commits, %d bytes", len(m.log), m.logBytes)
		}
	}
}

// TestMarksAreBounded keeps a transaction open while others commit: marks of keys that
// were written again go, and tables stand for keys when there are too many.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Second)
	long, untouched := begin(t, m), begin(t, m)
	other := begin(t, m)
	check(t, put(ctx, other, 1, 1), nil)
	check(t, other.Commit(ctx, store.NoSync), nil)
	// note is what a commit of keys does.
	note := func(table uint64, keys ...uint64) {
		mk := marked{keys: keys, tables: []uint64{table}}
		m.mu.Lock()
		m.commits++
		mk.commit = m.commits
		m.mu.Unlock()
		m.locks.mark(mk)
		m.mu.Lock()
		m.marks = append(m.marks, mk)
		if m.marked += len(keys); m.marked > maxMarks {
			m.mergeMarks()
		}
		m.mu.Unlock()
	}
	for range maxMarks/1000 + 10 { // the same keys again
		keys := make([]uint64, 1000)
		for i := range keys {
			keys[i] = uint64(i) << 20
		}
		note(1, keys...)
	}
	if n := m.locks.wholes.Load(); n != 0 || m.marked > maxMarks/2 {
		t.Errorf("%d tables and %d keys are marked", n, m.marked)
	}
	check(t, put(ctx, untouched, 2, 1), nil)
	check(t, put(ctx, untouched, 1, 1), sqlerr.WriteConflict)
	untouched.Rollback()
	for n := range maxMarks/1000 + 10 {
		keys := make([]uint64, 1000)
		for i := range keys {
			keys[i] = uint64(i)<<20 | uint64(n)
		}
		note(2, keys...)
	}
	if n := m.locks.wholes.Load(); n == 0 || m.marked > maxMarks/2 {
		t.Errorf("%d tables and %d keys are marked", n, m.marked)
	}
	check(t, put(ctx, long, 1, 1), sqlerr.WriteConflict)
	check(t, put(ctx, long, 3, 1), sqlerr.WriteConflict) // as its table was written
	if c, err := long.Store().Shared(texts).Insert(ctx, func() *types.Batch {
		b := types.NewBatch(texts.Types())
		b.AppendRow([]types.Value{types.NewInt(1), types.NewString("")})
		return b
	}()); c != nil || err != nil {
		t.Errorf("a table that nobody wrote: %v, %v", c, err)
	}
	long.Rollback()
	if n := m.locks.size(); n > 0 || m.locks.wholes.Load() != 0 || len(m.marks) > 0 || m.marked != 0 {
		t.Errorf("left: %d locks and marks, %d tables, %d commits, %d keys", n, m.locks.wholes.Load(), len(m.marks), m.marked)
	}
}
