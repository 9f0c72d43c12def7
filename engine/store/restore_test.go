package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// TestRestoreSegments loses the records of segments, which repairs and salvage make anew
// of the blocks.
func TestRestoreSegments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		plant    func(b *kv.Batch, r *packedRun)
		restored bool
	}{
		{"damaged", func(b *kv.Batch, r *packedRun) { b.Put(kv.Meta, r.recordKey(), []byte("x")) }, true},
		{"lost", func(b *kv.Batch, r *packedRun) { b.Delete(kv.Meta, r.recordKey()) }, true},
		{"lost, and a block", func(b *kv.Batch, r *packedRun) {
			b.Delete(kv.Meta, r.recordKey())
			b.Delete(kv.Data, r.blockKey(r.table, 3, 0))
		}, false},
		{"damaged, and a block", func(b *kv.Batch, r *packedRun) {
			b.Put(kv.Meta, r.recordKey(), nil)
			b.Put(kv.Data, r.blockKey(r.table, 3, 0), []byte("y"))
		}, false},
		{"damaged, and a block more", func(b *kv.Batch, r *packedRun) {
			b.Put(kv.Meta, r.recordKey(), nil)
			b.Put(kv.Data, r.blockKey(r.table, 99, 0), []byte("z"))
		}, false},
	} {
		for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
			t.Run(fmt.Sprint(test.name, " ", kind), func(t *testing.T) {
				t.Parallel()
				tab := people(kind)
				db := packedPeople(t, tab)
				want := contents(t, db, tab)
				var b kv.Batch
				for i, r := range db.segments.dir[tab.ID] {
					if i%2 == 0 { // all but some
						test.plant(&b, r)
					}
				}
				if err := db.write(ctx, &b, NoSync); err != nil {
					t.Fatal(err)
				}
				db, err := again(t, db)
				if err != nil {
					t.Fatal(err)
				}
				if got := check(t, db, tab, CheckOptions{}); !strings.Contains(got, "PRIMARY") {
					t.Errorf("a check finds %q", got)
				}
				// Salvage reads, and writes to another database only.
				if test.restored {
					var told []string
					db.salvaged = func(what string) { told = append(told, what) }
					tx, to := begin(t, db), newDB(t)
					if err := CopyTable(ctx, tx, tab, to, tab.ID, nil); err != nil {
						t.Fatal(err)
					}
					tx.Close()
					db.salvaged = nil
					if got := contents(t, to, tab); !slices.Equal(got, want) {
						t.Errorf("salvaged %q, not %q; told %q", got, want, told)
					}
					checkSegments(t, to)
				}
				n := len(db.segments.dir[tab.ID])
				var told []string
				if err := db.RestoreSegments(ctx, tab, func(p Problem) { told = append(told, p.String()) }); err != nil {
					t.Fatal(err)
				}
				if !test.restored {
					if len(told) > 0 || len(db.segments.dir[tab.ID]) != n {
						t.Errorf("restored: %q", told)
					}
					return
				}
				if len(told) == 0 {
					t.Error("nothing is told")
				}
				if got := contents(t, db, tab); !slices.Equal(got, want) {
					t.Errorf("restored %q, not %q", got, want)
				}
				checkSegments(t, db)
				if got := check(t, db, tab, CheckOptions{Extended: true}); got != "" {
					t.Errorf("a check finds %q", got)
				}
				if db, err = again(t, db); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, db, tab); !slices.Equal(got, want) {
					t.Errorf("after opening it again %q, not %q", got, want)
				}
			})
		}
	}
}
