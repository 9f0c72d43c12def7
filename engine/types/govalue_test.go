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

// TestGoZeroDates finds dates of which a part is zero as the first one, and 0000-00-00 as the zero Time.
func TestGoZeroDates(t *testing.T) {
	t.Parallel()
	for packed, want := range map[int64]time.Time{
		0:                     {},
		PackDate(2020, 0, 10): time.Date(2020, 1, 10, 0, 0, 0, 0, time.UTC),
		PackDateTime(2020, 0, 0, 10, 11, 12, 500): time.Date(2020, 1, 1, 10, 11, 12, 500_000, time.UTC),
		PackDate(0, 5, 0):                         time.Date(0, 5, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := Go(Type{Kind: DateTime, Size: -1, Scale: 6}, NewInt(packed), time.UTC); got != want {
			t.Errorf("%d is %v, not %v", packed, got, want)
		}
	}
}

// TestParseIncomplete reads back what dates with zero parts print, and nothing else.
func TestParseIncomplete(t *testing.T) {
	t.Parallel()
	dateTime := Type{Kind: DateTime, Size: -1, Scale: 6}
	for year := range 3 {
		for month := range 14 {
			for day := range 33 {
				p := PackDateTime(year*1000, month, day, 23, 59, 58, 1)
				text := AppendText(nil, dateTime, NewInt(p))
				got, ok := ParseIncomplete(text, 6)
				if want := Incomplete(p); ok != want || ok && got != p {
					t.Errorf("%s is %d, %t", text, got, ok)
				}
			}
		}
	}
	for text, want := range map[string]int64{
		"2020-00-10":               PackDate(2020, 0, 10),
		"20200010":                 PackDate(2020, 0, 10),
		" 2020.5.0 1:2 ":           PackDateTime(2020, 5, 0, 1, 2, 0, 0),
		"2020-00-10 10:59:59.9999": PackDateTime(2020, 0, 10, 11, 0, 0, 0),
	} {
		if got, ok := ParseIncomplete([]byte(text), 0); !ok || got != want {
			t.Errorf("%q is %d, %t, not %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "0000-00-00", "2020-01-10", "2020-02-30", "2020-13-00", "2020-00-32", "2020-00-10x", "2020-00-10 23:59:59.9"} {
		if got, ok := ParseIncomplete([]byte(text), 0); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}
