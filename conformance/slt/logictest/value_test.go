package logictest

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  byte
		value any
		want  string
	}{
		{'I', nil, "NULL"},
		{'I', int64(-5), "-5"},
		{'I', uint64(math.MaxUint64), "18446744073709551615"},
		{'I', true, "1"},
		{'I', false, "0"},
		{'I', 2.9, "2"},
		{'I', -2.9, "-2"},
		{'I', -0.5, "0"},
		{'I', 1e20, "100000000000000000000"},
		{'I', float32(3.5), "3"},
		{'I', "12.75", "12"},
		{'I', []byte("-0.5"), "0"},
		{'I', "+007 bond", "7"},
		{'I', "123456789012345678901234567890", "123456789012345678901234567890"},
		{'I', "text", "0"},
		{'R', nil, "NULL"},
		{'R', int64(7), "7.000"},
		{'R', uint64(7), "7.000"},
		{'R', 1.0005, "1.000"},
		{'R', float32(0.5), "0.500"},
		{'R', "2.71828", "2.718"},
		{'R', "text", "0.000"},
		{'T', nil, "NULL"},
		{'T', "", "(empty)"},
		{'T', []byte{}, "(empty)"},
		{'T', "a\tb~é", "a@b~@@"},
		{'T', int64(3), "3"},
		{'T', 0.25, "0.25"},
		{'T', time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), "2024-02-29 12:00:00"},
	} {
		if got := format(c.kind, c.value); got != c.want {
			t.Errorf("format(%c, %v) = %q, want %q", c.kind, c.value, got, c.want)
		}
	}
}

func TestSortValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by   Sort
		want []string
	}{
		{NoSort, []string{"b", "1", "a", "3", "a", "2"}},
		{RowSort, []string{"a", "2", "a", "3", "b", "1"}},
		{ValueSort, []string{"1", "2", "3", "a", "a", "b"}},
	} {
		got := []string{"b", "1", "a", "3", "a", "2"}
		sortValues(got, 2, c.by)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("sort %d:\n%s", c.by, diff)
		}
	}
}

// The MD5 is of "1\n2\n", as md5sum prints it.
func TestHash(t *testing.T) {
	t.Parallel()
	if got, want := hash([]string{"1", "2"}), "6ddb4095eb719e2a9f0a3f95677d24e0"; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
}
