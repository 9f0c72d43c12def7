//go:build cgo

package rocks

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestDictionary has values that repeat, but seldom in one block.
func TestDictionary(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, Config{Path: t.TempDir(), Create: true})
	const keys, length = 20_000, 64
	rng := rand.New(rand.NewPCG(1, 2))
	var values [150][length]byte
	for i := range values {
		for k := range values[i] {
			values[i][k] = byte(rng.Uint32())
		}
	}
	for half := range 2 { // two tables of the same range, so that both are written anew
		kvtest.Write(t, db, func(w *kv.Batch) {
			for i := half; i < keys; i += 2 {
				w.Put(kv.Data, binary.BigEndian.AppendUint64(nil, uint64(i)), values[rng.IntN(len(values))][:])
			}
		})
		flush(t, db)
	}
	if err := db.(kv.Compacter).Compact(t.Context(), kv.Data, []byte{0}, []byte{1}); err != nil {
		t.Fatal(err)
	}
	st := db.Stats()
	if n, most := st.DiskBytes-st.LogBytes, int64(keys*length/2); n > most {
		t.Errorf("%d bytes of tables, at most %d", n, most)
	}
}
