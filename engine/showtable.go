package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// quoteName prints an identifier in backquotes.
func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// quoteString prints a string as a SQL literal.
func quoteString(s string) string {
	return "'" + strings.NewReplacer("'", "''", "\\", "\\\\", "\n", "\\n", "\r", "\\r", "\x00", "\\0").Replace(s) + "'"
}

// defaultParts tells a DEFAULT's form apart, see schema.Column.Default: the
// text of a literal's value, or the expression without parentheses.
func defaultParts(c *schema.Column) (text string, isExpr bool) {
	switch d := c.Default; {
	case strings.HasPrefix(d, "CURRENT_TIMESTAMP"):
		return d, true
	case strings.HasPrefix(d, "("):
		return strings.TrimSuffix(d[1:], ")"), true
	default:
		if e, err := parse.ParseExpr(d); err == nil {
			if l, ok := e.(*sqlparser.Literal); ok && l.Type == sqlparser.StrVal {
				return l.Val, false
			}
		}
		return d, false
	}
}

// keyMark is what SHOW COLUMNS says of a column's part in keys.
func keyMark(t *schema.Table, column int) string {
	if t.Kind == schema.Viewed {
		return ""
	}
	if slices.Contains(t.PrimaryKey, column) {
		return "PRI"
	}
	mark, promoted := "", !t.HasRowID()
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		single := ix.Unique && len(ix.Columns) == 1 && ix.Own()[0].Prefix == 0
		if single && t.Columns[ix.Columns[0]].NotNull && !promoted {
			// The first such index stands in for the primary key.
			promoted = true
			if ix.Columns[0] == column {
				return "PRI"
			}
		}
		if ix.Columns[0] != column {
			continue
		}
		if single {
			mark = "UNI"
		} else if mark == "" {
			mark = "MUL"
		}
	}
	return mark
}

func showColumns(t *schema.Table, full bool) ([]plan.ResultColumn, [][]types.Value) {
	names := []string{"Field", "Type", "Null", "Key", "Default", "Extra"}
	if full {
		names = []string{"Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"}
	}
	var rows [][]types.Value
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Hidden && !c.Invisible {
			continue
		}
		null := "YES"
		if c.NotNull {
			null = "NO"
		}
		value, extra := types.Value{}, ""
		if c.Default != "" {
			text, isExpr := defaultParts(c)
			value = types.NewString(text)
			if isExpr {
				extra = "DEFAULT_GENERATED"
			}
		}
		if c.OnUpdate != "" {
			extra = strings.TrimSpace(extra + " on update " + c.OnUpdate)
		}
		switch {
		case c.AutoIncrement:
			extra = "auto_increment"
		case c.Generated != "":
			extra = storage(c) + " GENERATED"
		}
		if c.Invisible {
			extra = strings.TrimSpace(extra + " INVISIBLE")
		}
		row := []types.Value{types.NewString(c.Name), types.NewString(c.Type.SQL())}
		if full {
			collation := types.Value{}
			if c.Type.IsText() || c.Type.Members != nil {
				collation = types.NewString(types.CollationName(c.Type.Collation))
			}
			row = append(row, collation)
		}
		row = append(row, types.NewString(null), types.NewString(keyMark(t, i)), value, types.NewString(extra))
		if full {
			row = append(row, types.NewString("select,insert,update,references"), types.NewString(c.Comment))
		}
		rows = append(rows, row)
	}
	return textColumns(names...), rows
}

func (s *Session) showIndexes(t *schema.Table) ([]plan.ResultColumn, [][]types.Value) {
	columns := []plan.ResultColumn{
		textColumn("Table"), intColumn("Non_unique"), textColumn("Key_name"), intColumn("Seq_in_index"), textColumn("Column_name"),
		textColumn("Collation"), intColumn("Cardinality"), intColumn("Sub_part"), textColumn("Packed"), textColumn("Null"),
		textColumn("Index_type"), textColumn("Comment"), textColumn("Index_comment"), textColumn("Visible"), textColumn("Expression"),
	}
	var rows [][]types.Value
	add := func(ix *schema.Index) {
		name, unique, comment, visible := "PRIMARY", true, "", "YES"
		if ix != nil {
			name, unique, comment = ix.Name, ix.Unique, ix.Comment
			if ix.Invisible {
				visible = "NO"
			}
		}
		key, own := t.Key(ix)
		for n, k := range key[:own] {
			null, order, part := "", "A", types.Value{}
			if !t.Columns[k.Column].NotNull {
				null = "YES"
			}
			if k.Desc {
				order = "D"
			}
			if k.Prefix > 0 {
				part = types.NewInt(int64(k.Prefix))
			}
			column, expression := types.NewString(t.Columns[k.Column].Name), types.Value{}
			if c := &t.Columns[k.Column]; onExpression(c) {
				column, expression = types.Value{}, types.NewString(wrapped(c.Generated))
			}
			rows = append(rows, []types.Value{
				types.NewString(t.Name), types.NewInt(1 - boolInt(unique)), types.NewString(name), types.NewInt(int64(n + 1)),
				column, types.NewString(order), {}, part, {}, types.NewString(null),
				types.NewString("BTREE"), types.NewString(""), types.NewString(comment), types.NewString(visible), expression,
			})
		}
	}
	if !t.HasRowID() && t.Kind != schema.Viewed {
		add(nil)
	}
	for i := range t.Indexes {
		add(&t.Indexes[i])
	}
	return columns, rows
}

func (s *Session) showCreate(ctx context.Context, n *sqlparser.ShowCreate) (*resultSet, error) {
	if n.Command == sqlparser.CreateTr {
		return s.showCreateTrigger(ctx, n)
	}
	if n.Command == sqlparser.CreateDb {
		name := n.Op.Name.String()
		if err := s.engine.catalog.CheckNamespace(ctx, name); err != nil {
			return nil, err
		}
		collation, err := s.collation(ctx, name)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("CREATE DATABASE %s /*!40100 DEFAULT CHARACTER SET %s COLLATE %s */", quoteName(name),
			types.CharsetName(collation), types.CollationName(collation))
		if !tables.IsSystem(name) {
			options, err := s.engine.catalog.NamespaceOptions(ctx, name)
			if err != nil {
				return nil, err
			}
			var list []string
			for _, o := range slices.Sorted(maps.Keys(options)) {
				list = append(list, o+"="+quoteString(options[o]))
			}
			if len(list) > 0 { // which MySQL's statement cannot say
				list = append([]string{"COLLATION=" + quoteString(types.CollationName(collation))}, list...)
				text = "CREATE NAMESPACE " + quoteName(name) + " WITH (" + strings.Join(list, ", ") + ")"
			}
		}
		return s.listing([][]types.Value{{types.NewString(name), types.NewString(text)}}, textColumns("Database", "Create Database")...), nil
	}
	t, err := s.table(ctx, n.Op, "")
	if err != nil {
		return nil, err
	}
	switch {
	case t.Kind == schema.Viewed:
		return s.showCreateView(t), nil
	case n.Command == sqlparser.CreateV:
		return nil, sqlerr.WrongObject.New("'%s' is not VIEW", t.QualifiedName()).On(t.QualifiedName())
	}
	return s.listing([][]types.Value{{types.NewString(t.Name), types.NewString(createTable(t))}}, textColumns("Table", "Create Table")...), nil
}

// createTable prints the statement that makes a table like t.
func createTable(t *schema.Table) string {
	var lines []string
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Hidden || c.Invisible {
			lines = append(lines, createColumn(t, c))
		}
	}
	if !t.HasRowID() {
		lines = append(lines, "PRIMARY KEY "+keyParts(t, nil))
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		line := "KEY " + quoteName(ix.Name) + " " + keyParts(t, ix)
		if ix.Unique {
			line = "UNIQUE " + line
		}
		if ix.BTree {
			line += " USING BTREE"
		}
		if ix.Comment != "" {
			line += " COMMENT " + quoteString(ix.Comment)
		}
		if ix.Invisible {
			line += " /*!80000 INVISIBLE */"
		}
		lines = append(lines, line)
	}
	for i := range t.ForeignKeys {
		lines = append(lines, plan.ForeignKeySQL(t, &t.ForeignKeys[i]))
	}
	for i := range t.Checks {
		c := &t.Checks[i]
		line := "CONSTRAINT " + quoteName(c.Name) + " CHECK ((" + c.Expr + "))"
		if c.NotEnforced {
			line += " /*!80016 NOT ENFORCED */"
		}
		lines = append(lines, line)
	}
	s := "CREATE " + kindWord(t) + "TABLE " + quoteName(t.Name) + " (\n  " + strings.Join(lines, ",\n  ") + "\n)"
	if t.AutoIncrementStart > 1 {
		s += fmt.Sprintf(" AUTO_INCREMENT=%d", t.AutoIncrementStart)
	}
	s += " DEFAULT CHARSET=" + types.CharsetName(t.TextCollation())
	if t.TextCollation() != collations.CollationBinaryID { // which has the name of its character set
		s += " COLLATE=" + types.CollationName(t.TextCollation())
	}
	if t.Comment != "" {
		s += " COMMENT=" + quoteString(t.Comment)
	}
	if list := t.Options.List(); list != nil {
		options := make([]string, len(list))
		for i, o := range list {
			if options[i] = o.Name + "=" + o.Value; !o.Number {
				options[i] = o.Name + "=" + quoteString(o.Value)
			}
		}
		s += " WITH (" + strings.Join(options, ", ") + ")"
	}
	return s
}

// collation returns the collation of a namespace's tables which name none.
func (s *Session) collation(ctx context.Context, namespace string) (collations.ID, error) {
	if tables.IsSystem(namespace) {
		return types.DefaultCollation, nil
	}
	return s.engine.catalog.Collation(ctx, namespace)
}

// kindWord is what stands before TABLE in the statement that makes t.
func kindWord(t *schema.Table) string {
	switch {
	case t.Temporary:
		return "TEMPORARY "
	case t.Kind == schema.User, t.Kind == schema.Stream:
		return strings.ToUpper(string(t.Kind)) + " "
	}
	return ""
}

// createOptions is what information_schema says of a table's kind and options.
func createOptions(t *schema.Table) string {
	var list []string
	if t.Kind != schema.Shared {
		list = append(list, "type="+string(t.Kind))
	}
	for _, o := range t.Options.List() {
		list = append(list, strings.ToLower(o.Name)+"="+o.Value)
	}
	return strings.Join(list, " ")
}

// keyParts prints an index's columns, nil standing for the primary key.
func keyParts(t *schema.Table, ix *schema.Index) string {
	key, own := t.Key(ix)
	parts := make([]string, own)
	for i, k := range key[:own] {
		if c := &t.Columns[k.Column]; onExpression(c) {
			parts[i] = "(" + wrapped(c.Generated) + ")"
		} else {
			parts[i] = quoteName(c.Name)
		}
		if k.Prefix > 0 {
			parts[i] += fmt.Sprintf("(%d)", k.Prefix)
		}
		if k.Desc {
			parts[i] += " DESC"
		}
	}
	return "(" + strings.Join(parts, ",") + ")"
}

func storage(c *schema.Column) string {
	if c.Virtual {
		return "VIRTUAL"
	}
	return "STORED"
}

// onExpression reports whether a column is the hidden one that an index on an
// expression is on.
func onExpression(c *schema.Column) bool { return c.Generated != "" && c.Hidden && !c.Invisible }

// wrapped puts an expression of operators in parentheses, as MySQL prints it.
func wrapped(text string) string {
	switch e, _ := parse.ParseExpr(text); e.(type) {
	case *sqlparser.BinaryExpr, *sqlparser.ComparisonExpr, *sqlparser.AndExpr, *sqlparser.OrExpr, *sqlparser.XorExpr, *sqlparser.IsExpr,
		*sqlparser.BetweenExpr, *sqlparser.NotExpr:
		return "(" + text + ")"
	}
	return text
}

func createColumn(t *schema.Table, c *schema.Column) string {
	s := quoteName(c.Name) + " " + c.Type.SQL()
	if (c.Type.IsText() || c.Type.Members != nil) && c.Type.Collation != t.TextCollation() {
		s += " CHARACTER SET " + types.CharsetName(c.Type.Collation) + " COLLATE " + types.CollationName(c.Type.Collation)
	}
	if c.Generated != "" {
		s += " GENERATED ALWAYS AS (" + wrapped(c.Generated) + ") " + storage(c)
	}
	if c.NotNull {
		s += " NOT NULL"
	} else if c.Type.Kind == types.Timestamp {
		s += " NULL"
	}
	if c.Type.IsSpatial() && c.Type.Size >= 0 {
		s += fmt.Sprintf(" /*!80003 SRID %d */", c.Type.Size)
	}
	if c.Invisible {
		s += " /*!80023 INVISIBLE */"
	}
	switch text, isExpr := defaultParts(c); {
	case c.Default == "" && !c.NotNull && !c.NoDefault && c.Generated == "" && c.Type.Kind != types.JSON && (c.Type.IsSpatial() || !(c.Type.IsString() && c.Type.Size < 0)):
		s += " DEFAULT NULL"
	case c.Default == "":
	case isExpr && strings.HasPrefix(c.Default, "("):
		s += " DEFAULT (" + text + ")"
	case isExpr || c.Type.Kind == types.Bit || c.Type.IsBinary():
		s += " DEFAULT " + c.Default
	default:
		s += " DEFAULT " + quoteString(text)
	}
	if c.OnUpdate != "" {
		s += " ON UPDATE " + c.OnUpdate
	}
	if c.AutoIncrement {
		s += " AUTO_INCREMENT"
	}
	if c.Comment != "" {
		s += " COMMENT " + quoteString(c.Comment)
	}
	return s
}
