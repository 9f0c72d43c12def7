package store

import (
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
)

// Transactions that begin while nothing is written share a snapshot, which goes with the
// next write.
func TestSnapshotsAreShared(t *testing.T) {
	t.Parallel()
	db := planted(t, people(schema.Shared))
	one, two := begin(t, db), begin(t, db)
	if one.snap != two.snap {
		t.Error("two snapshots of one state")
	}
	one.Close()
	two.Close()
	if st := db.Stats(); st.Snapshots != 0 {
		t.Errorf("%d snapshots are left", st.Snapshots)
	}
	before := begin(t, db)
	defer before.Close()
	writer := begin(t, db)
	writer.Put(0, []byte{200}, []byte("new"))
	commit(t, writer)
	if db.latest.snap != nil && db.latest.snap == before.snap {
		t.Error("the snapshot outlives a write")
	}
	after := begin(t, db)
	defer after.Close()
	for _, of := range []struct {
		tx   *Tx
		want bool
	}{{before, false}, {after, true}} {
		if _, ok, err := of.tx.Get(ctx, 0, []byte{200}); err != nil || ok != of.want {
			t.Errorf("found: %v, %v", ok, err)
		}
	}
}
