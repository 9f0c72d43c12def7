package parse

import "vitess.io/vitess/go/vt/sqlparser"

// Analyze is ANALYZE TABLE in all of MySQL's forms; the grammar has one only.
type Analyze struct {
	*sqlparser.OtherAdmin
	Tables []sqlparser.TableName
	// Histogram is "update" or "drop" where columns' histograms are gathered or
	// dropped, of Columns.
	Histogram string
	Columns   []string
	Buckets   int // 0: not given
}

// analyze reads what comes after ANALYZE; nil: it is none of these forms.
func (r *reader) analyze() *Analyze {
	r.skip("no_write_to_binlog", "local")
	if !r.take("table") && !r.take("tables") {
		return nil
	}
	a := &Analyze{Tables: r.tables()}
	switch {
	case r.take("update"):
		a.Histogram = "update"
	case r.take("drop"):
		a.Histogram = "drop"
	default:
		return a
	}
	r.want("histogram")
	r.want("on")
	for more := true; more; more = r.symbol(',') {
		a.Columns = append(a.Columns, r.name())
	}
	if a.Histogram == "drop" {
		return a
	}
	if r.take("with") {
		a.Buckets = r.number()
		r.want("buckets")
	}
	if r.take("auto") || r.take("manual") {
		r.want("update")
	}
	return a
}

func (r *reader) want(word string) { r.failed = !r.take(word) || r.failed }

// symbol goes past a character, if it is the current token.
func (r *reader) symbol(c int) bool {
	if r.failed || r.typ != c {
		return false
	}
	r.next()
	return true
}
