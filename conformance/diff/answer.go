package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// answer is what a statement gave.
type answer struct {
	rows [][]string // values as text, null for NULL
	err  error
}

// errTooLong is of statements that were given up.
var errTooLong = errors.New("took too long")

// null stands for NULL; no value that is generated is written like it.
const null = "NULL"

// String shows the answer in a few lines.
func (a answer) String() string {
	if a.err != nil {
		return "  error: " + a.err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %d rows\n", len(a.rows))
	for i, row := range a.rows {
		if i == 20 {
			b.WriteString("  …\n")
			break
		}
		b.WriteString("  | " + strings.Join(row, " | ") + "\n")
	}
	return b.String()
}

// same reports whether two answers agree: both are errors, or they have the
// same rows; in the same order where that is given.
func same(a, b answer, ordered bool) bool {
	if a.err != nil || b.err != nil {
		return a.err != nil && b.err != nil
	}
	if len(a.rows) != len(b.rows) {
		return false
	}
	if ordered && !slices.EqualFunc(a.rows, b.rows, tied) {
		return false
	}
	return slices.EqualFunc(a.rows, b.rows, sameRow) || slices.EqualFunc(sorted(a.rows), sorted(b.rows), sameRow)
}

// folded returns the answer with its texts as collations that know no case see them.
func (a answer) folded() answer {
	rows := make([][]string, len(a.rows))
	for i, row := range a.rows {
		for _, v := range row {
			rows[i] = append(rows[i], fold.Replace(v))
		}
	}
	return answer{rows, a.err}
}

// tied reports whether two rows may stand in each other's place where rows are ordered:
// they are the same under collations that know no case.
func tied(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool { return sameValue(x, y) || fold.Replace(x) == fold.Replace(y) })
}

// fold takes from the texts that are generated what the collations do not see.
var fold = strings.NewReplacer("A", "a", "Z", "z", "é", "e", "É", "e", " ", "")

// sorted returns the rows in an order that does not depend on how numbers are
// written.
func sorted(rows [][]string) [][]string {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b []string) int { return slices.CompareFunc(a, b, compareValues) })
	return rows
}

func compareValues(a, b string) int {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	switch {
	case err == nil && err2 == nil:
		return cmp.Compare(x, y) // 0 and -0 are the same
	case (err == nil) != (err2 == nil):
		return strings.Compare(fmt.Sprint(err == nil), fmt.Sprint(err2 == nil))
	}
	return strings.Compare(a, b)
}

// sameWithin reports whether two answers agree but for differences of numbers up to most, or
// up to that part of the number.
func sameWithin(a, b answer, most float64) bool {
	if a.err != nil || b.err != nil || len(a.rows) != len(b.rows) {
		return false
	}
	near := func(x, y string) bool {
		n, err := strconv.ParseFloat(x, 64)
		m, err2 := strconv.ParseFloat(y, 64)
		return sameValue(x, y) || err == nil && err2 == nil && math.Abs(n-m) <= most*max(1, math.Abs(n))
	}
	return slices.EqualFunc(sorted(a.rows), sorted(b.rows), func(x, y []string) bool { return slices.EqualFunc(x, y, near) })
}

func sameRow(a, b []string) bool { return slices.EqualFunc(a, b, sameValue) }

// sameValue compares texts; of numbers written as doubles are, values, which
// may have been added up in another order.
func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil {
		// Fractions of seconds may be left out.
		return strings.Contains(a, ":") && strings.Contains(b, ":") && trimFraction(a) == trimFraction(b)
	}
	return math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
}

func trimFraction(s string) string {
	if strings.Contains(s, ".") {
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
