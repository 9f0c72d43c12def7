package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// history runs DESCRIBE TABLE t HISTORY: a row for each version of the table's
// definition, the first one first.
func (s *Session) history(ctx context.Context, n *parse.DescribeHistory) (*resultSet, error) {
	t, err := s.table(ctx, n.Table, "")
	if err != nil {
		return nil, err
	}
	versions, err := s.engine.catalog.History(ctx, t)
	if err != nil {
		return nil, err
	}
	columns := []plan.ResultColumn{intColumn("Version"), {Name: "Created_at", Type: types.Type{Kind: types.DateTime, Size: -1, Scale: 6}, Nullable: true},
		intColumn("Columns"), textColumn("Changes")}
	var rows [][]types.Value
	for i, v := range versions {
		changes := []string{"CREATE"}
		if i > 0 {
			changes = changesBetween(versions[i-1].Schema, v.Schema)
		} else if v.Version > 1 {
			changes = []string{"older versions are not kept"}
		}
		at := types.Value{}
		if !v.Created.IsZero() {
			at = types.NewInt(types.TimeToPacked(v.Created.In(s.zone), 6))
		}
		shown := 0
		for k := range v.Schema.Columns {
			if c := &v.Schema.Columns[k]; !c.Hidden || c.Invisible {
				shown++
			}
		}
		rows = append(rows, []types.Value{types.NewInt(int64(v.Version)), at, types.NewInt(int64(shown)), types.NewString(strings.Join(changes, ", "))})
	}
	return s.listing(rows, columns...), nil
}

// changesBetween tells what made one version of a table's definition the next one, in
// the words of ALTER TABLE.
func changesBetween(a, b *schema.Table) (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if a.Namespace != b.Namespace || a.Name != b.Name {
		add("RENAME TO %s", quoteName(b.Namespace)+"."+quoteName(b.Name))
	}
	if a.View != nil && b.View != nil && a.View.Select != b.View.Select {
		add("AS %s", b.View.Select)
	}
	for i := range a.Columns {
		c := &a.Columns[i]
		if !c.Hidden && columnLike(b, c) < 0 {
			add("DROP COLUMN %s", quoteName(c.Name))
		}
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		if c.Hidden && !c.Invisible {
			continue
		}
		at := columnLike(a, c)
		switch text := createColumn(b, c); {
		case at < 0:
			add("ADD COLUMN %s", text)
		case createColumn(a, &a.Columns[at]) != text:
			add("CHANGE COLUMN %s %s", quoteName(a.Columns[at].Name), text)
		}
	}
	keys := func(t *schema.Table) (text []string) {
		if !t.HasRowID() && t.Kind != schema.Viewed {
			text = append(text, "PRIMARY KEY "+keyParts(t, nil))
		}
		for i := range t.Indexes {
			ix, kind := &t.Indexes[i], "KEY "
			if ix.Unique {
				kind = "UNIQUE KEY "
			}
			text = append(text, kind+quoteName(ix.Name)+" "+keyParts(t, ix))
		}
		for i := range t.ForeignKeys {
			text = append(text, plan.ForeignKeySQL(t, &t.ForeignKeys[i]))
		}
		for i := range t.Checks {
			text = append(text, "CONSTRAINT "+quoteName(t.Checks[i].Name)+" CHECK ("+t.Checks[i].Expr+")")
		}
		for i := range t.Triggers {
			text = append(text, "TRIGGER "+quoteName(t.Triggers[i].Name))
		}
		return text
	}
	before, after := keys(a), keys(b)
	for _, k := range before {
		if !slices.Contains(after, k) {
			add("DROP %s", k)
		}
	}
	for _, k := range after {
		if !slices.Contains(before, k) {
			add("ADD %s", k)
		}
	}
	for _, o := range b.Options.List() {
		if !slices.Contains(a.Options.List(), o) {
			add("SET (%s=%s)", o.Name, o.Value)
		}
	}
	for _, o := range a.Options.List() {
		if !slices.ContainsFunc(b.Options.List(), func(x schema.Option) bool { return x.Name == o.Name }) {
			add("SET (%s=DEFAULT)", o.Name)
		}
	}
	if a.Comment != b.Comment {
		add("COMMENT = %s", quoteString(b.Comment))
	}
	if a.StorageID() != b.StorageID() {
		add("rows written anew")
	}
	return list
}

// columnLike returns the ordinal of the column that c is in another version of its
// table; -1: it has none. Where rows are written anew columns get new ids.
func columnLike(t *schema.Table, c *schema.Column) int {
	if at := slices.IndexFunc(t.Columns, func(o schema.Column) bool { return o.ID == c.ID }); at >= 0 {
		return at
	}
	return t.Column(c.Name)
}
