package plan

import (
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// self is how a common table expression's own query may name it: once in each of
// its recursive parts, in FROM of the part itself.
type self struct {
	name  string
	rel   *recursiveRel
	names []string
	block int // of the part that is being bound
	used  bool
}

// cteQuery binds the query of a common table expression.
func (b *builder) cteQuery(c *cte, f *frame) (*query, error) {
	name := c.def.ID.String()
	if !c.recursive || !refersTo(c.def.Subquery, name) {
		return b.query(c.def.Subquery, f)
	}
	u, ok := c.def.Subquery.(*sqlparser.Union)
	if !ok {
		return nil, sqlerr.RecursionNeedsUnion.New("Recursive Common Table Expression '%s' should contain a UNION", name)
	}
	steps, err := recursiveSteps(u, name)
	if err != nil {
		return nil, err
	}
	if err := b.define(u.With, f); err != nil {
		return nil, err
	}
	seed, err := b.query(steps[0].Left, f)
	if err != nil {
		return nil, err
	}
	r := &recursiveRel{name: name, id: b.bound, seed: unionPart{rel: seed.rel}, distinct: u.Distinct}
	s := &self{name: name, rel: r, block: b.block + 1}
	q := &query{}
	for i, o := range seed.out {
		// The seed's types are the rows'.
		t := b.cols[o.col].t
		if t.Kind == types.Null {
			t = types.TextType
		}
		if len(c.def.Columns) == len(seed.out) {
			o.name = c.def.Columns[i].String()
		}
		id := b.newColumn(o.name, t, true)
		b.cols[id].strength = b.cols[o.col].strength
		s.names = append(s.names, o.name)
		r.seed.cols, r.cols = append(r.seed.cols, o.col), append(r.cols, id)
		q.out = append(q.out, output{o.name, id})
	}
	b.ctes = append(b.ctes, &cte{def: c.def, self: s})
	for _, u := range steps {
		s.used = false
		p, err := b.query(u.Right, f)
		if err != nil {
			return nil, err
		}
		if len(p.out) != len(seed.out) {
			return nil, sqlerr.WrongColumnsInSet.New("The used SELECT statements have a different number of columns")
		}
		if _, err := checkStep(p.rel, name); err != nil {
			return nil, err
		}
		part := unionPart{rel: p.rel}
		for _, o := range p.out {
			part.cols = append(part.cols, o.col)
		}
		r.steps = append(r.steps, part)
	}
	q.rel, err = b.limit(r, u.Limit, f)
	return q, err
}

// recursiveSteps returns the UNIONs whose right sides are u's recursive parts,
// the left side of the first being all that comes before those.
func recursiveSteps(u *sqlparser.Union, name string) ([]*sqlparser.Union, error) {
	switch {
	case len(u.OrderBy) > 0:
		return nil, sqlerr.Unsupported("ORDER BY over UNION in recursive Common Table Expression")
	case u.Into != nil || u.Lock != sqlparser.NoLock:
		return nil, sqlerr.Unsupported("INTO, FOR UPDATE and FOR SHARE in a recursive common table expression")
	}
	var steps []*sqlparser.Union
	for at := u; ; {
		if op, _ := parse.SetOperation(at); op != parse.Union {
			return nil, sqlerr.Unsupported("INTERSECT and EXCEPT in a recursive common table expression")
		}
		if at.Distinct != u.Distinct {
			return nil, sqlerr.Unsupported("UNION ALL and UNION DISTINCT of recursive parts")
		}
		if !refersTo(at.Right, name) {
			break
		}
		steps = append([]*sqlparser.Union{at}, steps...)
		if !refersTo(at.Left, name) {
			return steps, nil
		}
		left, ok := at.Left.(*sqlparser.Union)
		if !ok || left.With != nil || left.Limit != nil || len(left.OrderBy) > 0 {
			break
		}
		at = left
	}
	return nil, sqlerr.RecursionNeedsSeed.New("Recursive Common Table Expression '%s' should have one or more non-recursive query blocks followed by one or more recursive ones", name)
}

// refersTo reports whether a query names a table so that no WITH of its own
// defines.
func refersTo(q sqlparser.SQLNode, name string) bool {
	found := false
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n := n.(type) {
		case sqlparser.TableStatement:
			if w := withOf(n); w != nil {
				for _, def := range w.CTEs {
					if def.ID.String() == name {
						return false, nil
					}
				}
			}
		case *sqlparser.AliasedTableExpr:
			t, ok := n.Expr.(sqlparser.TableName)
			found = found || ok && t.Qualifier.IsEmpty() && t.Name.String() == name
		}
		return !found, nil
	}, q)
	return found
}

// work brings a recursive table's own rows into scope.
func (b *builder) work(s *self, alias string) (*from, error) {
	if s.used || b.block != s.block {
		return nil, sqlerr.RecursionTwice.New("In recursive query block of Recursive Common Table Expression '%s', the recursive table must be referenced only once, and not in any subquery", s.name)
	}
	s.used = true
	if alias == "" {
		alias = s.name
	}
	w := &workRel{of: s.rel}
	src := &source{alias: alias}
	for i, c := range s.rel.cols {
		b.cols = append(b.cols, column{table: alias, name: s.names[i], t: b.cols[c].t, null: true, strength: b.cols[c].strength})
		w.cols = append(w.cols, len(b.cols)-1)
		src.cols = append(src.cols, &sourceColumn{name: s.names[i], id: len(b.cols) - 1})
	}
	return &from{rel: w, sources: []*source{src}, visible: src.cols}, nil
}

// checkStep refuses what may not stand above the recursive table in a recursive
// part, and reports whether it is in l.
func checkStep(l logical, name string) (found bool, err error) {
	if _, ok := l.(*workRel); ok {
		return true, nil
	}
	for i, in := range l.inputs() {
		below, err := checkStep(*in, name)
		if err != nil {
			return false, err
		}
		if j, ok := l.(*joinRel); ok && below && j.kind == Left && i == 1 {
			return false, sqlerr.RecursionJoin.New("In recursive query block of Recursive Common Table Expression '%s', the recursive table must neither be in the right argument of a LEFT JOIN, nor be forced to be non-first with join order hints", name)
		}
		found = found || below
	}
	if !found {
		return false, nil
	}
	switch l.(type) {
	case *groupRel, *windowRel, *rollupRel:
		return true, sqlerr.RecursionAggregates.New("Recursive Common Table Expression '%s' can contain neither aggregation nor window functions in recursive query block", name)
	case *sortRel, *limitRel, *distinctRel:
		return true, sqlerr.Unsupported("ORDER BY / LIMIT / SELECT DISTINCT in recursive query block of Common Table Expression")
	}
	return true, nil
}

// roundRows is taken for the number of rows that a round of a recursion adds.
const roundRows = 100

func (b *builder) lowerRecursive(l *recursiveRel) *phys {
	part := func(p unionPart) *phys {
		need := colSet{}
		need.add(p.cols)
		return b.project(b.lower(p.rel, need, hint{}), p.cols)
	}
	seed := part(l.seed)
	n := &Recursive{Name: l.name, ID: l.id, Seed: seed.node, Distinct: l.distinct}
	out := &phys{node: n, cols: l.cols, rows: seed.rows, cost: seed.cost}
	for _, c := range l.cols {
		n.Columns = append(n.Columns, b.cols[c].name)
		n.T = append(n.T, b.cols[c].t)
	}
	for _, s := range l.steps {
		p := part(s)
		n.Steps = append(n.Steps, p.node)
		out.rows += p.rows * 10
		out.cost += p.cost * 10
	}
	return out
}

func (b *builder) lowerWork(l *workRel) *phys {
	w := &Work{Name: l.of.name, ID: l.of.id}
	for _, c := range l.cols {
		w.T = append(w.T, b.cols[c].t)
	}
	return &phys{node: w, cols: l.cols, rows: roundRows, cost: roundRows}
}
