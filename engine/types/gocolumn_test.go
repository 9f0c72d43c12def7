package types

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGoColumn compares the values of columns with those that are made one by one.
func TestGoColumn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, ct := range []Type{
		Int64Type, Uint64Type, Float64Type, {Kind: Float}, TextType, BytesType, {Kind: JSON}, DecimalType(10, 2), DecimalType(40, 2),
		{Kind: Date}, {Kind: DateTime, Scale: 3}, {Kind: Timestamp}, TimeType(0), {Kind: Bit, Size: 8}, {Kind: Year}, NullType, {Kind: UUID},
	} {
		for _, nulls := range []int{0, 3, 1} { // none, a third, all
			v := NewVector(ct, 0)
			for i := range 100 {
				if nulls > 0 && i%nulls == 0 || ct.Kind == Null {
					v.AppendNull()
					continue
				}
				switch ct.Physical() {
				case PhysInt64:
					x := r.Int64() - r.Int64()
					if ct.Kind == Date || ct.Kind == DateTime || ct.Kind == Timestamp {
						x = TimeToPacked(time.Unix(r.Int64N(1e9), 0).UTC(), 0)
					}
					v.AppendInt(x)
				case PhysUint64:
					v.AppendUint(r.Uint64() >> (i % 64))
				case PhysFloat64:
					v.AppendFloat([]float64{r.Float64(), math.Inf(1), -0.5, 1e300}[i%4])
				case PhysBytes:
					b := strings.Repeat("é", i%5)
					switch {
					case ct.Kind == UUID:
						b = fmt.Sprintf("%016d", i)
					case ct.Kind == JSON, ct.Kind == Decimal:
						b = fmt.Sprint(i)
					case i == 90:
						b = strings.Repeat("long", 1000)
					}
					v.AppendBytes([]byte(b))
				}
			}
			for _, bounds := range [][2]int{{0, 100}, {10, 42}, {89, 91}, {5, 6}, {7, 7}} {
				from, to := bounds[0], bounds[1]
				got, want := make([]any, 2*(to-from)+2), make([]any, 2*(to-from)+2)
				got[1], want[1] = "between", "between"
				GoColumn(v, from, to, time.UTC, got, 2)
				for i := from; i < to; i++ {
					want[2*(i-from)] = Go(v.Type, v.Value(i), time.UTC)
				}
				runtime.GC()
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%v, nulls %d, %v: %s", ct, nulls, bounds, d)
				}
			}
			// What was returned is not the vector's.
			if ct.Physical() == PhysInt64 && nulls == 0 {
				got := make([]any, 1)
				GoColumn(v, 0, 1, time.UTC, got, 1)
				before := fmt.Sprint(got[0])
				v.Int64s[0] = 77
				if after := fmt.Sprint(got[0]); before != after {
					t.Errorf("%v: %s became %s", ct, before, after)
				}
			}
		}
	}
}
