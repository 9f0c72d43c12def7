package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Trigger is a trigger that a statement may run. What its body reads are
// parameters: the columns of OLD, those of NEW, then the variables.
type Trigger struct {
	*schema.Trigger
	Table *schema.Table
	Vars  []types.Type
	Body  Step
}

// Step is a statement of a trigger's body.
type Step interface{ step() }

// The steps.
type (
	// Steps run one after the other.
	Steps []Step
	// Let gives a parameter, of NEW or a variable, a value, or a variable of the session.
	Let struct {
		Param   int
		Session bool
		Column  *schema.Column // of NEW, or nil
		Name    string
		T       types.Type
		Value   expr.Expr
	}
	// If runs the first arm whose condition is true, else Else.
	If struct {
		Conds []expr.Expr
		Arms  []Step
		Else  Step
	}
	// While runs Body as long as Cond is true or, with Until, until it is; Cond may be
	// nil.
	While struct {
		Label int // 0: none
		Cond  expr.Expr
		Body  Step
		Until bool
	}
	// Block is what Leave can leave by its Label, or what has handlers.
	Block struct {
		Label    int
		Body     Step
		Handlers []*Handler
	}
	// Leave ends the block or loop of a label or, with Iterate, a round of the loop.
	Leave struct {
		Label   int
		Iterate bool
	}
	// Raise fails, unless State is of a warning. Without State it does so with the
	// condition that is handled; with Again there must be one.
	Raise struct {
		Again           bool
		State           string
		Message, Number expr.Expr // or nil
	}
	// Diagnose gives variables what is known of the condition that is handled: that it is one
	// or, with Condition, which.
	Diagnose struct {
		Stacked   bool
		Condition expr.Expr // its number, or nil
		Into      []Let
		Items     []string // by Into
	}
	// Fail fails.
	Fail struct{ Err *sqlerr.Error }
	// Run runs a statement, and with Into gives parameters the values of its
	// one row.
	Run struct {
		Plan *Plan
		Into []Let
	}
)

// Handler says what happens after a statement of its block that brought about one of some
// conditions: Body, and then what follows that statement or, without Continue, the block.
type Handler struct {
	For      []parse.Condition // without names
	Body     Step
	Continue bool
}

func (Steps) step()     {}
func (*Block) step()    {}
func (*Leave) step()    {}
func (*Let) step()      {}
func (*If) step()       {}
func (*While) step()    {}
func (*Raise) step()    {}
func (*Diagnose) step() {}
func (*Fail) step()     {}
func (*Run) step()      {}

// nesting is where the statements of triggers are.
type nesting struct {
	used  []*schema.Table // by the statements around it
	depth int
	built *int // triggers built so far for the outermost statement
}

// maxTriggers bounds how many triggers a statement may run, those that triggers'
// statements run included; maxTriggerDepth how deep they nest.
const (
	maxTriggers     = 1000
	maxTriggerDepth = 32
)

// write is a part of a plan that changes a table.
type write struct {
	rules  *Rules
	table  *schema.Table
	events []string // that it brings about
	set    []int    // the columns that UPDATE sets; nil: any
}

// writes returns the parts of a plan that change tables.
func writes(n Node) []write {
	switch n := n.(type) {
	case *Insert:
		w := write{rules: &n.Rules, table: n.Table, events: []string{"INSERT"}}
		switch n.Mode {
		case InsertReplace:
			w.events = append(w.events, "DELETE")
		case InsertUpdate, InsertUpdateIgnore:
			w.events, w.set = append(w.events, "UPDATE"), columnsSet(n.OnDuplicate)
		}
		return []write{w}
	case *Update:
		return []write{{&n.Rules, n.Table, []string{"UPDATE"}, columnsSet(n.Set)}}
	case *Delete:
		return []write{{&n.Rules, n.Table, []string{"DELETE"}, nil}}
	case *Spooled:
		var list []write
		for i := range n.Targets {
			list = append(list, writes(n.Targets[i].Write)...)
		}
		return list
	}
	return nil
}

func columnsSet(list []Assignment) []int {
	set := []int{}
	for _, a := range list {
		set = append(set, a.Column)
	}
	return set
}

// triggers builds the triggers that a plan may run.
func (b *builder) triggers(p *Plan) error {
	for _, w := range writes(p.Root) {
		if err := b.triggersOf(w); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) triggersOf(w write) error {
	for i := range w.table.Triggers {
		def := &w.table.Triggers[i]
		if !slices.Contains(w.events, def.Event) {
			continue
		}
		in := nesting{used: b.tables, built: new(int)}
		if b.inside != nil {
			in = *b.inside
			in.used = append(slices.Clip(in.used), b.tables...)
		}
		in.depth++
		if *in.built++; *in.built > maxTriggers || in.depth > maxTriggerDepth {
			return sqlerr.Unsupported("more than %d triggers, or nested more than %d deep", maxTriggers, maxTriggerDepth)
		}
		body, err := parse.ParseBody(def.Body)
		if err != nil {
			return err
		}
		c := newCompiler(b, w.table, def, &in)
		steps, err := c.compile(body)
		if err != nil {
			return err
		}
		w.rules.Triggers = append(w.rules.Triggers, &Trigger{Trigger: def, Table: w.table, Vars: c.types[2*len(w.table.Columns):], Body: steps})
	}
	return nil
}

// CheckTrigger finds out whether a new trigger's body makes sense, as far as
// that does not depend on other tables.
func CheckTrigger(t *schema.Table, def *schema.Trigger, o Options) error {
	body, err := parse.ParseBody(def.Body)
	if err != nil {
		return err
	}
	_, err = newCompiler(&builder{o: o}, t, def, nil).compile(body)
	return err
}
