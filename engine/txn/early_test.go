package txn

import (
	"errors"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// heldKV lets each Sync wait for its result.
type heldKV struct {
	kv.DB
	begun chan bool
	goOn  chan error
}

func (h *heldKV) Sync() error {
	h.begun <- true
	return <-h.goOn
}

// Who waits for a row gets it, as it is after a commit, before that is on stable storage.
func TestLocksEndBeforeSync(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	held := &heldKV{mem.Open(), make(chan bool), make(chan error)}
	db, err := store.New(held, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := New(db, 50*time.Second)
	commit := func(tx *Tx) chan error {
		done := make(chan error)
		go func() { done <- tx.Commit(ctx, store.Sync) }()
		<-held.begun
		return done
	}
	failed := errors.New("the disk is gone")
	a := begin(t, m)
	check(t, put(ctx, a, 1, 10), nil)
	first := commit(a)

	b := begin(t, m)
	if got, err := get(ctx, b, 1); err != nil || got == nil || got.Columns[1].Int64s[0] != 10 {
		t.Fatalf("the first commit is not to be seen: %v, %v", got, err)
	}
	check(t, put(ctx, b, 1, 11), nil)
	second := commit(b)
	select {
	case err := <-first:
		t.Fatal("a commit ended before its sync:", err)
	case err := <-second:
		t.Fatal("a commit ended before its sync:", err)
	default:
	}
	held.goOn <- failed
	held.goOn <- nil
	if err1, err2 := <-first, <-second; (err1 == failed) == (err2 == failed) {
		t.Errorf("of the commits one had to fail: %v, %v", err1, err2)
	}

	// Who has the whole table keeps it to the end: there is no Sync afterwards, but one within the write.
	c := begin(t, m)
	check(t, c.LockTable(ctx, counters.StorageID(), Exclusive), nil)
	check(t, put(ctx, c, 1, 12), nil)
	check(t, c.Commit(ctx, store.Sync), nil)
}
