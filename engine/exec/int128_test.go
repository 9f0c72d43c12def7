package exec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAddInts compares sums with those of one number after the other.
func TestAddInts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, bits := range []int{1, 20, 48, 49, 50, 51, 52, 62, 63} {
		for _, n := range []int{0, 1, 100, 4095, 4096, 4097, 10000} {
			values := make([]int64, n)
			for i := range values {
				if values[i] = r.Int64() >> (63 - bits); r.IntN(4) == 0 {
					values[i] = -values[i] - 1
				}
			}
			if n > 100 && bits == 63 {
				values[7], values[n-1] = math.MinInt64, math.MaxInt64
			}
			got, want := int128{hi: -1, lo: 17}, int128{hi: -1, lo: 17}
			got.addInts(values)
			for _, x := range values {
				want.addInt(x)
			}
			if got != want {
				t.Errorf("%d numbers of %d bits: %v, not %v", n, bits, got, want)
			}
		}
	}
}
