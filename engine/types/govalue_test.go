package types

import (
	"math"
	"testing"
	"time"
)

// TestGoFloat finds FLOAT values with the digits that they print with, and those of DOUBLE as they are.
func TestGoFloat(t *testing.T) {
	t.Parallel()
	float := Type{Kind: Float, Size: -1, Scale: -1}
	for _, want := range []float64{0, 0.1, -0.1, 1.94, 3.4e38, 1e-45, 16777216, 123456.79} {
		if got := Go(float, NewFloat(float64(float32(want))), time.UTC); got != want {
			t.Errorf("FLOAT %v is %v", want, got)
		}
	}
	for _, want := range []float64{0.1, float64(float32(0.1)), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if got := Go(Float64Type, NewFloat(want), time.UTC); got != want {
			t.Errorf("DOUBLE %v is %v", want, got)
		}
	}
}
