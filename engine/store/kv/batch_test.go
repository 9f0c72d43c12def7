package kv_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

type record struct {
	Op         kv.Op
	Space      kv.Space
	Key, Value string
}

func records(b *kv.Batch) []record {
	var got []record
	b.Each(func(op kv.Op, s kv.Space, key, value []byte) {
		got = append(got, record{op, s, string(key), string(value)})
	})
	return got
}

// fill makes changes that data describes and returns them.
func fill(b *kv.Batch, data []byte) []record {
	var want []record
	for len(data) >= 4 {
		r := record{Op: kv.Op(data[0] % 3), Space: kv.Space(data[1] % byte(kv.NumSpaces))}
		k, v := int(data[2]), int(data[3])<<3
		data = data[4:]
		key := data[:min(k, len(data))]
		data = data[len(key):]
		value := data[:min(v, len(data))]
		data = data[len(value):]
		r.Key = string(key)
		switch r.Op {
		case kv.OpPut:
			r.Value = string(value)
			b.Put(r.Space, key, value)
		case kv.OpDelete:
			b.Delete(r.Space, key)
		case kv.OpDeleteRange:
			r.Value = string(value)
			b.DeleteRange(r.Space, key, value)
			if r.Key >= r.Value {
				continue
			}
		}
		want = append(want, r)
	}
	return want
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x01\x01kvvvvvvvv\x01\x01\x00\x00\x02\x02\x01\x01ab"))
	f.Add(append([]byte{0, 1, 255, 255}, bytes.Repeat([]byte("x"), 3000)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b kv.Batch
		for range 2 { // the second time in used memory
			b.Reset()
			want := fill(&b, data)
			if diff := cmp.Diff(want, records(&b)); diff != "" {
				t.Fatal(diff)
			}
			if b.Len() != len(want) {
				t.Fatalf("Len is %d of %d", b.Len(), len(want))
			}
		}
	})
}

func TestBatchBytes(t *testing.T) {
	t.Parallel()
	var b kv.Batch
	if b.Bytes() != nil {
		t.Errorf("an empty batch has bytes %x", b.Bytes())
	}
	b.Put(kv.Meta, []byte("k"), []byte("v"))
	b.Delete(kv.Data, []byte("key"))
	b.DeleteRange(kv.Stream, []byte("a"), bytes.Repeat([]byte("b"), 200))
	want := "\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00" +
		"\x05\x01\x01k\x01v" +
		"\x04\x02\x03key" +
		"\x0e\x03\x01a\xc8\x01" + string(bytes.Repeat([]byte("b"), 200))
	if diff := cmp.Diff(want, string(b.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestBatchTooLarge(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a gigabyte")
	}
	var b kv.Batch
	b.Put(kv.Data, []byte("k"), make([]byte, kv.MaxValue+1))
	b.Put(kv.Data, []byte("k"), nil)
	if !errors.Is(b.Err(), sqlerr.RowTooLarge) {
		t.Errorf("got %v", b.Err())
	}
	db := mem.Open()
	defer db.Close()
	if err := db.Write(t.Context(), &b, kv.Sync); !errors.Is(err, sqlerr.RowTooLarge) {
		t.Errorf("Write: %v", err)
	}
	if b.Reset(); b.Err() != nil {
		t.Errorf("after Reset: %v", b.Err())
	}
}
