package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// hookedKV calls hooks around the next write.
type hookedKV struct {
	kv.DB
	before, after func()
}

func (h *hookedKV) Write(ctx context.Context, b *kv.Batch, d kv.Durability) error {
	before, after := h.before, h.after
	h.before, h.after = nil, nil
	if before != nil {
		before()
	}
	err := h.DB.Write(ctx, b, d)
	if after != nil {
		after()
	}
	return err
}

// TestIndexBuildFollows builds indexes step by step while commits come before, in the
// middle of, and after steps. The entries are those of a build when nothing happens.
func TestIndexBuildFollows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		kind := []schema.TableKind{schema.Shared, schema.User, schema.Shared}[seed%3]
		full := people(kind)
		full.Indexes[0].Unique = false
		full.Indexes = append(full.Indexes, schema.Index{ID: 4, Name: "by_weight", Columns: []int{4, 0}, Unique: true})
		bare := *full
		bare.Indexes = nil
		hooked := &hookedKV{DB: mem.Open()}
		db, err := New(hooked, Config{})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 0))
		users := []string{"", "a", "b\x00", "c"}
		if kind == schema.Shared {
			users = users[:1]
		}
		// work makes a transaction with random changes.
		work := func() *Tx {
			tx := begin(t, db)
			for range 1 + r.IntN(3) {
				rows := tx.Rows(&bare, users[r.IntN(len(users))])
				at := int64(r.IntN(60))
				old := types.NewBatch(bare.Types())
				bound := []types.Value{types.NewInt(at)}
				sc := rows.Scan(ScanRequest{Ranges: []KeyRange{{Low: bound, High: bound}}, Columns: []int{0, 1, 2, 3, 4}})
				if err := sc.Next(ctx, old); err != nil {
					t.Fatal(err)
				}
				sc.Close()
				now := batch(&bare, []any{int(at), fmt.Sprint(r.IntN(9)), r.IntN(5), "x", float64(r.IntN(3))})
				switch what := r.IntN(20); {
				case what == 0:
					if err := rows.DeleteAll(ctx); err != nil {
						t.Fatal(err)
					}
				case old.Len == 0:
					mustInsert(t, rows, now)
				case what < 6:
					if err := rows.Delete(ctx, old); err != nil {
						t.Fatal(err)
					}
				default:
					if c, err := rows.Update(ctx, old, now); c != nil || err != nil {
						t.Fatal(c, err)
					}
				}
			}
			return tx
		}
		for range 20 {
			commit(t, work())
		}
		indexes := []*schema.Index{&full.Indexes[0], &full.Indexes[1], &full.Indexes[2], &full.Indexes[3]}
		b, err := NewIndexBuild(ctx, db, &bare, indexes...)
		if err != nil {
			t.Fatal(err)
		}
		b.piece = 7
		step := func() {
			if c, err := b.step(ctx); c != nil || err != nil {
				t.Fatal(c, err)
			}
		}
		for range 30 {
			tx := work()
			switch r.IntN(5) {
			case 0:
				hooked.before = step
			case 1:
				hooked.after = step
			case 2:
				hooked.before, hooked.after = func() { step(); step() }, step
			case 3:
				step()
			}
			commit(t, tx)
			hooked.before, hooked.after = nil, nil
			tx.Close()
		}
		if c, err := b.Finish(ctx); c != nil || err != nil {
			t.Fatal(c, err)
		}
		if err := b.Close(ctx, true); err != nil {
			t.Fatal(err)
		}
		entries := func(ix *schema.Index) (list []string) {
			prefix := db.indexPrefix(&bare, ix)
			tx := begin(t, db)
			defer tx.Close()
			err := eachPair(ctx, tx, kv.Data, prefix, func(k, v []byte) error {
				list = append(list, fmt.Sprintf("%x %x", bytes.TrimPrefix(k, prefix), v))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		for _, ix := range indexes {
			again := *ix
			again.ID += 10
			if c, err := BuildIndexes(ctx, begin(t, db), &bare, &again); c != nil || err != nil {
				t.Fatal(c, err)
			}
			if d := cmp.Diff(entries(&again), entries(ix)); d != "" {
				t.Fatalf("seed %d, index %s: -want +got\n%s", seed, ix.Name, d)
			}
		}
	}
}

// TestIndexBuildConflict has two rows get one key while an index is built, before
// and behind where the build is.
func TestIndexBuildConflict(t *testing.T) {
	t.Parallel()
	for _, id := range []int{1, 25, 39} {
		table := people(schema.Shared)
		unique := table.Indexes[0]
		table.Indexes = nil
		db := newDB(t)
		tx := begin(t, db)
		rows := batch(table)
		for i := range 40 {
			rows.AppendRow([]types.Value{types.NewInt(int64(i)), types.NewString(fmt.Sprint(i)), {}, {}, {}})
		}
		mustInsert(t, tx.Shared(table), rows)
		commit(t, tx)
		b, err := NewIndexBuild(ctx, db, table, &unique)
		if err != nil {
			t.Fatal(err)
		}
		b.piece = 10
		for range 2 {
			if c, err := b.step(ctx); c != nil || err != nil {
				t.Fatal(c, err)
			}
		}
		if err := tx.Refresh(); err != nil {
			t.Fatal(err)
		}
		old, now := batch(table, []any{id, fmt.Sprint(id), nil, nil, nil}), batch(table, []any{id, "12", nil, nil, nil})
		if c, err := tx.Shared(table).Update(ctx, old, now); c != nil || err != nil {
			t.Fatal(c, err)
		}
		commit(t, tx)
		c, err := b.Finish(ctx)
		if err != nil || c == nil || string(c.Existing[1].Bytes()) != "12" {
			t.Fatalf("row %d: got %+v, %v", id, c, err)
		}
		if err := b.Close(ctx, false); err != nil {
			t.Fatal(err)
		}
		tx.Refresh()
		p := db.indexPrefix(table, &unique)
		if k, err := firstKey(ctx, tx, kv.Data, p, edge(p, true)); k != nil || err != nil {
			t.Errorf("left %x, %v", k, err)
		}
		if list, err := listPending(ctx, tx); len(list) > 0 || err != nil {
			t.Errorf("pending: %v, %v", list, err)
		}
		if n := len(db.commits.watches) + len(db.commits.underWay); n > 0 {
			t.Errorf("%d watches or commits are left", n)
		}
	}
}

// TestWatchIsBounded notes more changes than are kept apart.
func TestWatchIsBounded(t *testing.T) {
	t.Parallel()
	table := people(schema.Shared)
	db := newDB(t)
	w := db.watch(table)
	defer w.close()
	prefix := w.all.start
	for i := range 5 * maxSpans {
		key := append(bytes.Clone(prefix), byte(i>>16), byte(i>>8), byte(i), 0)
		w.changed.add(span{start: key[:len(key)-1], end: key}, maxSpans)
		if i%7 == 0 {
			w.changed.add(span{start: key[:len(key)-1], end: key}, maxSpans)
		}
	}
	if n := w.pending(); n > maxSpans {
		t.Errorf("%d spans", n)
	}
	tx, spans, err := w.next()
	if err != nil {
		t.Fatal(err)
	}
	tx.Close()
	set := readSet{spans: spans}
	for i := range 5 * maxSpans {
		if key := append(bytes.Clone(prefix), byte(i>>16), byte(i>>8), byte(i)); !set.has(key) {
			t.Fatalf("change %d is lost", i)
		}
	}
}
