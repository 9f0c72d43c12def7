package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// testIngest writes a good deal in one step, over what is there, and sees all of it
// or, in an older snapshot and when it fails, nothing.
func testIngest(t *testing.T, db kv.DB) {
	const n = 20000
	dir := t.TempDir()
	Write(t, db, func(b *kv.Batch) {
		for i := range n {
			b.Put(kv.Data, fmt.Appendf(nil, "%06d", i), []byte("old"))
		}
	})
	before := Snapshot(t, db)
	// Each third key is deleted, each third put, the rest left alone.
	source := func(fail error) kv.Source {
		s, next := kv.Meta, 0
		return func(context.Context) (kv.Space, *kv.Chunk, error) {
			var c kv.Chunk
			for ; next < n && c.Len() < 1000; next++ {
				switch key := fmt.Appendf(nil, "%06d", next); next % 3 {
				case 0:
					c.Append(key, []byte{kv.TagDeleted})
				case 1:
					c.Append(key, append([]byte{kv.TagPut}, s.String()...))
				}
			}
			if c.Len() == 0 && s < kv.Stream {
				s, next = s+1, 0
				c.Append([]byte("\x00first"), []byte{kv.TagPut})
			}
			if c.Len() == 0 && fail != nil {
				return s, nil, fail
			}
			return s, &c, nil
		}
	}
	count := func(rd kv.Reader, s kv.Space, value string) (all, with int) {
		t.Helper()
		sc := rd.Scan(s, kv.Range{})
		defer sc.Close()
		for {
			c, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() == 0 {
				return all, with
			}
			for i := range c.Len() {
				all++
				if string(c.Value(i)) == value {
					with++
				}
			}
		}
	}
	broken := errors.New("broken")
	if err := db.Ingest(t.Context(), dir, source(broken), nil); !errors.Is(err, broken) {
		t.Errorf("a source's error became %v", err)
	}
	if all, old := count(Snapshot(t, db), kv.Data, "old"); all != n || old != n {
		t.Errorf("after a failure: %d keys, %d as they were", all, old)
	}
	if err := db.Ingest(t.Context(), dir, source(nil), nil); err != nil {
		t.Fatal(err)
	}
	if all, old := count(before, kv.Data, "old"); all != n || old != n {
		t.Errorf("an older snapshot: %d keys, %d as they were", all, old)
	}
	now := Snapshot(t, db)
	third := n / 3
	if all, fresh := count(now, kv.Data, "data"); all != 2*third+2 || fresh != third+1 {
		t.Errorf("data: %d keys, %d of them put", all, fresh)
	}
	if all, fresh := count(now, kv.Meta, "meta"); all != third+1 || fresh != third+1 {
		t.Errorf("meta: %d keys, %d of them put", all, fresh)
	}
	if all, fresh := count(now, kv.Stream, "stream"); all != third+2 || fresh != third+1 {
		t.Errorf("stream: %d keys, %d of them put", all, fresh)
	}
	// It goes on after that as ever.
	Write(t, db, func(b *kv.Batch) { b.Put(kv.Data, []byte("000001"), []byte("newest")) })
	if v, ok, err := Snapshot(t, db).Get(t.Context(), kv.Data, []byte("000001")); err != nil || !ok || string(v) != "newest" {
		t.Errorf("a later write reads as %q, %v, %v", v, ok, err)
	}
	if err := db.Ingest(t.Context(), dir, func(context.Context) (kv.Space, *kv.Chunk, error) { return kv.Meta, &kv.Chunk{}, nil }, nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}
