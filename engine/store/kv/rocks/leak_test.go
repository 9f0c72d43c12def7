//go:build cgo

package rocks

import (
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
)

func TestLeaks(t *testing.T) {
	t.Parallel()
	db, err := Open(Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	snap.Scan(kv.Data, kv.Range{})
	if st := db.Stats(); st.Snapshots != 1 || st.Scanners != 1 {
		t.Errorf("%+v", st)
	}
	defer func() {
		r := recover()
		if !kv.Invariants {
			if r != nil {
				t.Error(r)
			}
			return
		}
		text, _ := r.(string)
		for _, part := range []string{"*rocks.snapshot", "*rocks.scanner", "TestLeaks", "leak_test.go"} {
			if !strings.Contains(text, part) {
				t.Errorf("the panic lacks %s: %v", part, r)
			}
		}
		// Also then everything was given back.
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	db.Close()
}
