package dbgen

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// sums are the checksums of the first rows of each table at scale factor 1. All
// rows of the specification's variant were compared with those of a port of its
// program, go-tpc v1.0.12.
var sums = map[Variant]map[string]uint32{
	Specification: {
		"region": 0x9a3293cc, "nation": 0x614b8f91, "supplier": 0x859cfe2e, "part": 0x5b9236bb,
		"partsupp": 0xeffb0d2e, "customer": 0x81fd2384, "orders": 0x7fdc83f3, "lineitem": 0x73d4e889,
	},
	DuckDB: {
		"region": 0xe5cb3775, "nation": 0x87db01a0, "supplier": 0x2501321c, "part": 0xefa08835,
		"partsupp": 0x5bf033e7, "customer": 0x68462326, "orders": 0x5413b6a0, "lineitem": 0x88c30f2f,
	},
}

func TestRows(t *testing.T) {
	for variant, want := range sums {
		if variant == Specification && testing.Short() {
			continue
		}
		s, err := NewScale(1)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]uint32{}
		g := newGenerator(s, variant, func(table string, row []any) error {
			line := strings.TrimSuffix(fmt.Sprintln(row...), "\n") + "\n"
			got[table] = crc32.Update(got[table], crc32.IEEETable, []byte(line))
			return nil
		})
		for _, k := range g.kinds() {
			for i := int64(1); i <= min(k.n, 1000); i++ {
				if err := g.unit(k, i); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, table := range Tables {
			if got[table] != want[table] {
				t.Errorf("variant %d: rows of %s have checksum %#x, not %#x", variant, table, got[table], want[table])
			}
		}
	}
}

func TestScale(t *testing.T) {
	for factor, want := range map[float64]Scale{
		0.001: {1, 10, 200, 150, 1500},
		0.01:  {1, 100, 2000, 1500, 15000},
		1:     {1, 10_000, 200_000, 150_000, 1_500_000},
		10:    {10, 100_000, 2_000_000, 1_500_000, 15_000_000},
	} {
		got, err := NewScale(factor)
		if err != nil || got != want {
			t.Errorf("NewScale(%v) = %v, %v, not %v", factor, got, err, want)
		}
	}
	for _, factor := range []float64{0, -1, 0.0001, 1.5, 1e9} {
		if _, err := NewScale(factor); err == nil {
			t.Errorf("NewScale(%v) gives no error", factor)
		}
	}
}

func TestRowsStop(t *testing.T) {
	s, err := NewScale(0.001)
	if err != nil {
		t.Fatal(err)
	}
	stop := fmt.Errorf("stop")
	rows := 0
	err = Rows(s, DuckDB, func(string, []any) error {
		if rows++; rows == 100 {
			return stop
		}
		return nil
	}, func() {})
	if err != stop || rows != 100 {
		t.Errorf("%v after %d rows", err, rows)
	}
}
