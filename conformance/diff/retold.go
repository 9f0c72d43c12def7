package main

import "regexp"

// retold spells a statement so that MariaDB does what MySQL does.
func retold(sql string) string {
	return nullsFirst.ReplaceAllString(plainRemainders(sql), "$1$2 IS NOT NULL$3, $2$3, ")
}

// nullsFirst finds the first of two columns that GROUP_CONCAT orders by: MariaDB takes NULL
// for 0 there.
var nullsFirst = regexp.MustCompile(`(GROUP_CONCAT\([^|]*? ORDER BY )(\w+\.\w+)( DESC|), `)

// plainRemainders adds 0 to remainders: those of negative DECIMALs that are zero are
// less than zero in MariaDB.
func plainRemainders(sql string) string {
	var open []int // where parentheses in out begin
	var out []byte
	quoted := false
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		out = append(out, c)
		switch {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			open = append(open, len(out))
		case c == ')' && len(open) > 0:
			open = open[:len(open)-1]
		case c == '%' && len(open) > 0: // as (a % b)
			at := open[len(open)-1]
			out = append(out[:at], append([]byte("0 + "), out[at:]...)...)
		}
	}
	return string(out)
}
