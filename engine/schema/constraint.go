package schema

import (
	"strings"
	"time"
)

// Check is a CHECK constraint.
type Check struct {
	Name        string // unique in the namespace
	Expr        string // SQL text of the condition
	NotEnforced bool   `json:",omitempty"`
}

// Check returns the named CHECK constraint, or nil.
func (t *Table) Check(name string) *Check {
	for i := range t.Checks {
		if strings.EqualFold(t.Checks[i].Name, name) {
			return &t.Checks[i]
		}
	}
	return nil
}

// ForeignKey is a FOREIGN KEY constraint: the values of some columns are NULL,
// or those of a row of the referenced table. Everything is by name, for the
// referenced table may come later.
type ForeignKey struct {
	Name       string // unique in the namespace
	Columns    []string
	Namespace  string // of the referenced table
	Table      string
	Referenced []string // its columns
	OnDelete   Action   `json:",omitempty"`
	OnUpdate   Action   `json:",omitempty"`
}

// Action is what happens to rows whose referenced values go.
type Action string

// The actions.
const (
	NoAction Action = "" // as Restrict
	Restrict Action = "RESTRICT"
	Cascade  Action = "CASCADE"
	SetNull  Action = "SET NULL"
)

// Refuses reports whether the values must not go.
func (a Action) Refuses() bool { return a == NoAction || a == Restrict }

// To reports whether the foreign key references a table of that name.
func (f *ForeignKey) To(namespace, table string) bool {
	return f.Namespace == namespace && f.Table == table
}

// ForeignKey returns the named foreign key, or nil.
func (t *Table) ForeignKey(name string) *ForeignKey {
	for i := range t.ForeignKeys {
		if strings.EqualFold(t.ForeignKeys[i].Name, name) {
			return &t.ForeignKeys[i]
		}
	}
	return nil
}

// Ordinals returns the ordinals of named columns, or the name of one that the
// table lacks.
func (t *Table) Ordinals(names []string) (list []int, missing string) {
	for _, n := range names {
		c := t.Column(n)
		if c < 0 || t.Columns[c].Hidden {
			return nil, n
		}
		list = append(list, c)
	}
	return list, ""
}

// KeyOf returns an index that can find rows by columns: they lead it in this
// order, whole and ascending. nil stands for the primary key. A unique one is
// preferred.
func (t *Table) KeyOf(columns []int) (ix *Index, ok bool) {
	if Leads(appendKey(nil, t.PrimaryKey, t.PrimaryParts), columns) {
		return nil, true
	}
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if Leads(x.Own(), columns) && (!ok || x.Unique && !ix.Unique) {
			ix, ok = x, true
		}
	}
	return ix, ok
}

// Leads reports whether a key begins with columns, whole and ascending.
func Leads(key []KeyColumn, columns []int) bool {
	if len(key) < len(columns) {
		return false
	}
	for i, c := range columns {
		if key[i] != (KeyColumn{Column: c}) {
			return false
		}
	}
	return true
}

// Trigger is a trigger, which runs for each row that a statement changes.
type Trigger struct {
	Name    string // unique in the namespace
	Before  bool
	Event   string // INSERT, UPDATE or DELETE
	Body    string // SQL
	SQL     string // the whole CREATE TRIGGER
	User    string // who made it
	Created time.Time
}

// Timing is BEFORE or AFTER.
func (t *Trigger) Timing() string {
	if t.Before {
		return "BEFORE"
	}
	return "AFTER"
}

// Trigger returns the named trigger, or nil.
func (t *Table) Trigger(name string) *Trigger {
	for i := range t.Triggers {
		if t.Triggers[i].Name == name {
			return &t.Triggers[i]
		}
	}
	return nil
}
