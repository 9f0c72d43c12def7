package suite

import "testing"

func TestSame(t *testing.T) {
	for _, test := range []struct {
		got, want string
		average   bool
		same      bool
	}{
		{"x", "x", false, true},
		{"x", "y", false, false},
		{"1", "2", false, false},
		{"10000000", "10000001", true, false}, // integers
		{"1.00", "1", false, true},
		{"1.000", "1.009", false, true},
		{"1.00", "1.02", false, false},
		{"1.00", "1.005", true, true},
		{"1.00", "1.02", true, false},
		{"", "0.00", true, false},
	} {
		if same(test.got, test.want, test.average) != test.same {
			t.Errorf("same(%q, %q, %v) is not %v", test.got, test.want, test.average, test.same)
		}
	}
}

func TestCompare(t *testing.T) {
	want := &Table{Columns: []string{"a", "b"}, Rows: [][]string{{"1", "x"}, {"2", "y"}}}
	for _, got := range []*Table{
		{Columns: []string{"a"}, Rows: [][]string{{"1"}, {"2"}}},
		{Columns: want.Columns, Rows: want.Rows[:1]},
		{Columns: want.Columns, Rows: [][]string{{"2", "y"}, {"1", "x"}}},
	} {
		if Compare(got, want) == nil {
			t.Errorf("%v is taken for %v", got, want)
		}
	}
	if err := Compare(want, want); err != nil {
		t.Error(err)
	}
}
