package types

import "testing"

func TestExactNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, column, want string }{
		{"text 12", "BIGINT", "12"},
		{"text  -12abc", "BIGINT", "-12"},
		{"text x", "BIGINT", "0"},
		{"text ", "BIGINT", "0"},
		{"text 1.2e1", "BIGINT", "12"},
		{"text 9007199254740993", "BIGINT", "9007199254740993"},
		{"text -9223372036854775808", "BIGINT", "-9223372036854775808"},
		{"text 18446744073709551615", "BIGINT", "18446744073709551615"},
		{"text 18446744073709551616", "BIGINT", "18446744073709551616.0"},
		{"text -9223372036854775809", "BIGINT", "-9223372036854775809.0"},
		{"text 5.000000000000000000000000000000000001", "BIGINT", "5.1"},
		{"text -1e-400", "BIGINT", "-0.1"},
		{"text 1.20", "DECIMAL(10,2)", "1.200"},
		{"text 1.2001", "DECIMAL(10,2)", "1.201"},
		{"float 0.1", "DECIMAL(10,1)", "0.10"},
		{"float 9223372036854775808", "BIGINT", "9223372036854775808"},
		{"float 1e23", "DECIMAL(30,0)", "100000000000000000000000.0"},
		{"float 0.5", "INT", "0.5"},
	} {
		from, v := literal(t, tt.in)
		n, out := ExactNumber(from, v, mustType(t, tt.column))
		if got := string(AppendText(nil, n, out)); got != tt.want {
			t.Errorf("%s among %s: %s, want %s", tt.in, tt.column, got, tt.want)
		}
	}
	n, out := ExactNumber(TextType, NewString("-1e100000"), Int64Type)
	if got := string(AppendText(nil, n, out)); len(got) != 1+67+2 {
		t.Errorf("far below all: %s", got)
	}
}
