package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// The logical plan is a tree of relational operators. Each column that any of
// them makes has a number of its own in the statement; bound expressions carry
// that number as Column.Index until lowering turns it into a position in the
// input's rows. An operator that passes a column on keeps its number, so that
// derived tables, joins and reordering need no renumbering.
type logical interface {
	// columns adds the numbers of the columns yielded to set.
	columns(set colSet)
	// inputs returns where the operators are whose rows it reads.
	inputs() []*logical
	// exprs returns the expressions that it evaluates, its inputs' apart.
	exprs() []expr.Expr
}

type colSet map[int]bool

func (s colSet) with(list ...expr.Expr) colSet {
	n := make(colSet, len(s)+len(list))
	for c := range s {
		n[c] = true
	}
	for _, e := range list {
		expr.Columns(e, n)
	}
	return n
}

func (s colSet) contains(other colSet) bool {
	for c := range other {
		if !s[c] {
			return false
		}
	}
	return true
}

func columnsOf(e expr.Expr) colSet {
	s := colSet{}
	expr.Columns(e, s)
	return s
}

// uses reports whether e reads a column of s.
func uses(e expr.Expr, s colSet) bool {
	for c := range columnsOf(e) {
		if s[c] {
			return true
		}
	}
	return false
}

func yields(l logical) colSet {
	s := colSet{}
	l.columns(s)
	return s
}

// tableRel is a table's rows for which conds hold.
type tableRel struct {
	table *schema.Table
	alias string
	first int // number of column 0; the others follow
	conds []expr.Expr
	hint  indexHint
	// system has the numbers of the system columns that are named, by ordinal.
	system map[int]int
	which  Which
}

// valuesRel is a list of rows.
type valuesRel struct {
	rows [][]expr.Expr
	cols []int
}

// filterRel keeps rows for which all conds hold.
type filterRel struct {
	in    logical
	conds []expr.Expr
}

// joinRel joins. Semi and Anti yield the left columns.
type joinRel struct {
	kind        JoinKind
	left, right logical
	on          []expr.Expr
	straight    bool // join in the order written
}

// extendRel adds computed columns to its input's.
type extendRel struct {
	in     logical
	values []expr.Expr
	cols   []int
}

// groupRel groups; a group column that is a plain column keeps its number.
type groupRel struct {
	in        logical
	groupBy   []expr.Expr
	groupCols []int
	aggs      []*expr.Aggregate
	aggCols   []int
	parted    bool // it is a part of a grouping in two steps
}

// rollupRel yields each row of its input once for every level from 0 to the
// number of keys: with as many of the last keys NULL in cols.
type rollupRel struct {
	in    logical
	keys  []int // columns of in
	cols  []int // of the keys
	level int
}

// windowRel adds the values of window functions that have one partition and
// order.
type windowRel struct {
	in        logical
	partition []int
	order     []orderCol
	funcs     []*expr.Window
	cols      []int
}

// distinctRel drops rows that repeat in cols, and yields those.
type distinctRel struct {
	in   logical
	cols []int
}

// sortRel orders rows by columns.
type sortRel struct {
	in   logical
	keys []orderCol
}

// orderCol is a column that rows are ordered by.
type orderCol struct {
	col  int
	desc bool
}

// limitRel passes on count rows after offset.
type limitRel struct {
	in            logical
	count, offset expr.Expr // constant; or nil
	counts        bool      // SQL_CALC_FOUND_ROWS
}

// unionRel yields the rows of all parts, part i's column parts[i].cols[k] as cols[k].
type unionRel struct {
	parts []unionPart
	cols  []int
}

type unionPart struct {
	rel  logical
	cols []int
}

// repeatRel yields each row as many times as an integer expression over it tells.
type repeatRel struct {
	in    logical
	times expr.Expr
}

// jsonTableRel yields each row with the rows that JSON_TABLE makes of a document that
// is an expression over it.
type jsonTableRel struct {
	in    logical
	doc   expr.Expr
	table *JSONRows
	outer bool // a row of whose document none are made stays, with NULLs
	cols  []int
}

// recursiveRel yields the rows of seed, and of each of steps, over and over, with
// workRel being the rows that the round before added, until a round adds none.
type recursiveRel struct {
	name     string
	id       int // tells it from others in the statement
	seed     unionPart
	steps    []unionPart
	distinct bool // rows that were there before are none
	cols     []int
}

// workRel is the rows that a recursiveRel's last round added.
type workRel struct {
	of   *recursiveRel
	cols []int
}

func (r *tableRel) columns(s colSet) {
	for i := range r.table.Columns {
		s[r.first+i] = true
	}
	for _, id := range r.system {
		s[id] = true
	}
}
func (r *valuesRel) columns(s colSet) { s.add(r.cols) }
func (r *filterRel) columns(s colSet) { r.in.columns(s) }
func (r *joinRel) columns(s colSet) {
	r.left.columns(s)
	if !r.kind.leftOnly() {
		r.right.columns(s)
	}
}
func (r *extendRel) columns(s colSet) { r.in.columns(s); s.add(r.cols) }
func (r *groupRel) columns(s colSet)  { s.add(r.groupCols); s.add(r.aggCols) }
func (r *rollupRel) columns(s colSet) {
	r.in.columns(s)
	s.add(r.cols)
	s[r.level] = true
}
func (r *windowRel) columns(s colSet) { r.in.columns(s); s.add(r.cols) }
func (r *distinctRel) columns(s colSet) {
	s.add(r.cols)
}
func (r *sortRel) columns(s colSet)   { r.in.columns(s) }
func (r *limitRel) columns(s colSet)  { r.in.columns(s) }
func (r *unionRel) columns(s colSet)  { s.add(r.cols) }
func (r *repeatRel) columns(s colSet) { r.in.columns(s) }
func (r *jsonTableRel) columns(s colSet) {
	r.in.columns(s)
	s.add(r.cols)
}

func (r *recursiveRel) columns(s colSet) { s.add(r.cols) }
func (r *workRel) columns(s colSet)      { s.add(r.cols) }

func (r *tableRel) inputs() []*logical    { return nil }
func (r *valuesRel) inputs() []*logical   { return nil }
func (r *filterRel) inputs() []*logical   { return []*logical{&r.in} }
func (r *joinRel) inputs() []*logical     { return []*logical{&r.left, &r.right} }
func (r *extendRel) inputs() []*logical   { return []*logical{&r.in} }
func (r *groupRel) inputs() []*logical    { return []*logical{&r.in} }
func (r *rollupRel) inputs() []*logical   { return []*logical{&r.in} }
func (r *windowRel) inputs() []*logical   { return []*logical{&r.in} }
func (r *distinctRel) inputs() []*logical { return []*logical{&r.in} }
func (r *sortRel) inputs() []*logical     { return []*logical{&r.in} }
func (r *limitRel) inputs() []*logical    { return []*logical{&r.in} }
func (r *repeatRel) inputs() []*logical   { return []*logical{&r.in} }
func (r *jsonTableRel) inputs() []*logical {
	return []*logical{&r.in}
}
func (r *unionRel) inputs() []*logical { return partInputs(r.parts) }
func (r *recursiveRel) inputs() []*logical {
	return append(partInputs(r.steps), &r.seed.rel)
}
func (r *workRel) inputs() []*logical { return nil }

func partInputs(parts []unionPart) []*logical {
	list := make([]*logical, len(parts))
	for i := range parts {
		list[i] = &parts[i].rel
	}
	return list
}

func (r *tableRel) exprs() []expr.Expr { return r.conds }
func (r *valuesRel) exprs() []expr.Expr {
	return slices.Concat(r.rows...)
}
func (r *filterRel) exprs() []expr.Expr   { return r.conds }
func (r *joinRel) exprs() []expr.Expr     { return r.on }
func (r *extendRel) exprs() []expr.Expr   { return r.values }
func (r *groupRel) exprs() []expr.Expr    { return append(exprsOf(r.aggs), r.groupBy...) }
func (r *rollupRel) exprs() []expr.Expr   { return nil }
func (r *windowRel) exprs() []expr.Expr   { return exprsOf(r.funcs) }
func (r *distinctRel) exprs() []expr.Expr { return nil }
func (r *sortRel) exprs() []expr.Expr     { return nil }
func (r *limitRel) exprs() []expr.Expr    { return nil }
func (r *repeatRel) exprs() []expr.Expr   { return []expr.Expr{r.times} }
func (r *jsonTableRel) exprs() []expr.Expr {
	return []expr.Expr{r.doc}
}
func (r *unionRel) exprs() []expr.Expr { return nil }

func (r *recursiveRel) exprs() []expr.Expr { return nil }
func (r *workRel) exprs() []expr.Expr      { return nil }

func (s colSet) add(list []int) {
	for _, c := range list {
		s[c] = true
	}
}

// column says what a column number stands for.
type column struct {
	namespace, table string // the alias it is reached by; "" for computed ones
	name             string
	t                types.Type
	null             bool
	strength         expr.Strength
	rel              *tableRel // nil: computed
}

// text is the column's name for EXPLAIN.
func (c *column) text() string {
	if c.table == "" {
		return c.name
	}
	return c.table + "." + c.name
}

// qualified is the column's name with its namespace, for errors.
func (c *column) qualified() string {
	if c.namespace == "" {
		return c.text()
	}
	return c.namespace + "." + c.text()
}

// newColumn gives out a number for a column that computes e.
func (b *builder) newColumn(name string, t types.Type, null bool) int {
	b.cols = append(b.cols, column{name: name, t: t, null: null})
	return len(b.cols) - 1
}

// newColumnOf gives out a number for a column that is e.
func (b *builder) newColumnOf(e expr.Expr) int {
	id := b.newColumn(e.String(), e.Type(), e.Nullable())
	b.cols[id].strength = expr.StrengthOf(e)
	return id
}

// ref returns an expression for a column.
func (b *builder) ref(id int) *expr.Column {
	c := &b.cols[id]
	return &expr.Column{Index: id, Name: c.text(), T: c.t, Null: c.null, Strength: c.strength}
}

// refs returns references to columns.
func (b *builder) refs(ids []int) []expr.Expr {
	list := make([]expr.Expr, len(ids))
	for i, id := range ids {
		list[i] = b.ref(id)
	}
	return list
}

// extend returns rel with columns for exprs, and their numbers. Plain columns
// stand for themselves.
func (b *builder) extend(rel logical, exprs []expr.Expr) (logical, []int) {
	x := &extendRel{in: rel}
	ids := make([]int, len(exprs))
next:
	for i, e := range exprs {
		if c, ok := e.(*expr.Column); ok {
			ids[i] = c.Index
			continue
		}
		for k, known := range x.values {
			if expr.Equal(e, known) && expr.Deterministic(e) {
				ids[i] = x.cols[k]
				continue next
			}
		}
		ids[i] = b.newColumnOf(e)
		x.values = append(x.values, e)
		x.cols = append(x.cols, ids[i])
	}
	if len(x.values) == 0 {
		return rel, ids
	}
	return x, ids
}
