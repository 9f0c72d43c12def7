package service

import (
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// order returns the ordinals of all columns.
func (d *definition) order() []int {
	all := make([]int, len(d.Columns))
	for i := range all {
		all[i] = i
	}
	return all
}

// arrange leaves the columns that order lists, in that order, and makes keys
// follow. A key loses the parts whose columns go; one without parts goes too.
func (d *definition) arrange(order []int) {
	columns := make([]schema.Column, len(order))
	to := map[int]int{}
	for n, c := range order {
		columns[n], to[c] = d.Columns[c], n
	}
	d.Columns = columns
	follow := func(list []int, parts []schema.Part) (l []int, p []schema.Part) {
		for i, c := range list {
			if n, ok := to[c]; ok {
				l = append(l, n)
				if parts != nil {
					p = append(p, parts[i])
				}
			}
		}
		return l, p
	}
	d.PrimaryKey, d.PrimaryParts = follow(d.PrimaryKey, d.PrimaryParts)
	d.primary = d.primary && len(d.PrimaryKey) > 0
	for i := range d.Indexes {
		d.Indexes[i].Columns, d.Indexes[i].Parts = follow(d.Indexes[i].Columns, d.Indexes[i].Parts)
	}
	d.Indexes = slices.DeleteFunc(d.Indexes, func(ix schema.Index) bool { return len(ix.Columns) == 0 })
	for i := range d.keys {
		d.keys[i].Columns, d.keys[i].Parts = follow(d.keys[i].Columns, d.keys[i].Parts)
	}
}

// place moves column c to the first place, or behind another.
func (d *definition) place(c int, first bool, after *sqlparser.ColName) error {
	order := slices.DeleteFunc(d.order(), func(x int) bool { return x == c })
	switch {
	case first:
		order = slices.Insert(order, 0, c)
	case after != nil:
		at := d.lookup(after.Name.String())
		if at < 0 || at == c {
			return errNoColumn(after.Name.String(), d.Name)
		}
		order = slices.Insert(order, slices.Index(order, at)+1, c)
	default:
		return nil
	}
	d.arrange(order)
	return nil
}

func errNoColumn(name, table string) error {
	return sqlerr.UnknownColumn.New("Unknown column '%s' in '%s'", name, table).In(name)
}

func (d *definition) addColumns(o *sqlparser.AddColumns) error {
	d.added = append(d.added, columnReferences(o.Columns)...)
	after := o.After
	for _, def := range o.Columns {
		if err := d.column(def); err != nil {
			return err
		}
		if err := d.columnKeys([]*sqlparser.ColumnDefinition{def}); err != nil {
			return err
		}
		// Behind the visible ones: hidden columns are the last.
		c := len(d.Columns) - 1
		at := slices.IndexFunc(d.Columns[:c], func(x schema.Column) bool { return x.Hidden && !x.Invisible })
		if at >= 0 {
			d.arrange(slices.Insert(d.order()[:c], at, c))
			c = at
		}
		if err := d.place(c, o.First, after); err != nil {
			return err
		}
	}
	return nil
}

// errSystemColumn refuses to change what every table has.
func errSystemColumn(name string) error {
	return sqlerr.Unsupported("ALTER TABLE of the system column %s", name).In(name)
}

func (d *definition) dropColumn(name *sqlparser.ColName) error {
	c := d.lookup(name.Name.String())
	if c < 0 && d.SystemColumn(name.Name.String()) >= 0 {
		return errSystemColumn(name.Name.String())
	}
	if c < 0 {
		return sqlerr.CantDropKey.New("Can't DROP '%s'; check that column/key exists", name.Name.String())
	}
	col := d.Columns[c]
	if err := d.checkDependants(col.Name, func(i int) bool { return i == c }); err != nil {
		return err
	}
	d.arrange(slices.DeleteFunc(d.order(), func(i int) bool { return i == c }))
	if !slices.ContainsFunc(d.Columns, func(c schema.Column) bool { return !c.Hidden }) {
		return sqlerr.CantRemoveAllColumns.New("You can't delete all columns with ALTER TABLE; use DROP TABLE instead")
	}
	return nil
}

// rename gives columns the names that RENAME COLUMN and CHANGE say, all at once: two may
// exchange theirs.
func (d *definition) rename(options []sqlparser.AlterOption) error {
	names := map[int]string{} // by column
	var order []int
	for _, o := range options {
		var from, to string
		switch o := o.(type) {
		case *sqlparser.RenameColumn:
			from, to = o.OldName.Name.String(), o.NewName.Name.String()
		case *sqlparser.ChangeColumn:
			from, to = o.OldColumn.Name.String(), o.NewColDefinition.Name.String()
		default:
			continue
		}
		c := d.lookup(from)
		if c < 0 && d.SystemColumn(from) >= 0 {
			return errSystemColumn(from)
		}
		if _, again := names[c]; c < 0 || again {
			return errNoColumn(from, d.Name)
		}
		if d.Columns[c].Name != to {
			names[c], order = to, append(order, c)
		}
	}
	taken := map[string]bool{}
	for _, c := range order {
		from, to := d.Columns[c].Name, names[c]
		if err := checkColumnName(to); err != nil {
			return err
		}
		other := d.Column(to)
		if _, moves := names[other]; other >= 0 && other != c && !moves || taken[strings.ToLower(to)] {
			return errDupColumn(to)
		}
		taken[strings.ToLower(to)] = true
		if !strings.EqualFold(from, to) {
			if err := d.checkDependants(from, func(int) bool { return false }); err != nil {
				return err
			}
		}
	}
	for c, to := range names {
		d.Columns[c].Name = to
	}
	return nil
}

// changeColumn runs MODIFY, and CHANGE of a column that has its new name.
func (d *definition) changeColumn(def *sqlparser.ColumnDefinition, first bool, after *sqlparser.ColName) error {
	c := d.lookup(def.Name.String())
	if c < 0 && d.SystemColumn(def.Name.String()) >= 0 {
		return errSystemColumn(def.Name.String())
	}
	if c < 0 {
		return errNoColumn(def.Name.String(), d.Name)
	}
	col, err := d.columnOf(def)
	if err != nil {
		return err
	}
	if err := d.changeTo(c, col); err != nil {
		return err
	}
	if err := d.columnKeys([]*sqlparser.ColumnDefinition{def}); err != nil {
		return err
	}
	if err := d.recheckKeys(c); err != nil {
		return err
	}
	return d.place(c, first, after)
}

// changeTo gives column c another definition.
func (d *definition) changeTo(c int, col schema.Column) error {
	old := d.Columns[c]
	unsupported := func(what string) error {
		return sqlerr.GeneratedChange.New("'%s' is not supported for generated columns.", what).In(old.Name)
	}
	switch {
	case old.Virtual != col.Virtual:
		return unsupported("Changing the STORED status")
	case old.Generated != col.Generated && col.Virtual, old.Generated != "" && old.Generated != col.Generated && col.Generated != "":
		// Other values: as if it were added.
		col.ID = d.NextColumnID
	case old.Generated == "" && col.Generated != "":
		col.ID = d.NextColumnID
	case old.Generated != "" && col.Generated == "": // older rows may have none
		col.ID = d.NextColumnID
		d.source[col.ID] = d.sourceOf(old.ID)
		d.rewrite = true
	case old.Virtual || store.KeepsRows(old.Type, col.Type) && widens(old.Type, col.Type):
		col.ID, col.Initial = old.ID, old.Initial
	default:
		col.ID = d.NextColumnID
		d.source[col.ID] = d.sourceOf(old.ID)
		d.rewrite = true
	}
	if col.ID == d.NextColumnID {
		d.NextColumnID++
	}
	if slices.Contains(d.PrimaryKey, c) {
		col.NotNull = true
	}
	d.Columns[c] = col
	return nil
}

// sourceOf returns the id under which rows have what becomes column id.
func (d *definition) sourceOf(id uint32) uint32 {
	if s, ok := d.source[id]; ok {
		return s
	}
	return id
}

// widens reports whether every value of type from, as rows have it, is the same
// value of type to.
func widens(from, to types.Type) bool {
	switch {
	case from == to:
		return true
	case to.IsSpatial():
		return types.AssignNeedsNothing(to, from)
	case from.IsInteger() && to.IsInteger():
		return from.Unsigned == to.Unsigned && to.Kind >= from.Kind
	case from.IsText() && to.IsText():
		return (to.Kind != types.Char || from.Kind == types.Char) && textLimit(to) >= textLimit(from)
	case from.IsBinary() && to.IsBinary():
		return from.Kind != types.Binary && to.Kind != types.Binary && textLimit(to) >= textLimit(from)
	case from.Kind != to.Kind || from.Unsigned != to.Unsigned:
		return false
	}
	switch from.Kind {
	case types.Decimal:
		return from.Scale == to.Scale && to.Size >= from.Size
	case types.Bit:
		return to.Size >= from.Size
	case types.Time, types.DateTime, types.Timestamp:
		return to.Scale >= from.Scale
	case types.Enum, types.Set:
		return from.Members != nil && to.Members != nil && len(to.Members.Names) >= len(from.Members.Names) &&
			slices.Equal(from.Members.Names, to.Members.Names[:len(from.Members.Names)])
	case types.Float, types.Double:
		return !to.HasPlaces()
	case types.Date, types.Year, types.JSON, types.UUID:
		return true
	}
	return false
}

// textLimit returns how many bytes a value of a string type may have, about.
func textLimit(t types.Type) int64 {
	switch t.Kind {
	case types.Char, types.VarChar:
		return 4 * int64(t.Size)
	case types.Binary, types.VarBinary:
		return int64(t.Size)
	case types.TinyText, types.TinyBlob:
		return 1<<8 - 1
	case types.Text, types.Blob:
		return 1<<16 - 1
	case types.MediumText, types.MediumBlob:
		return 1<<24 - 1
	}
	return 1<<32 - 1
}

// recheckKeys checks that column c, as it is now, can be in the keys that have it.
func (d *definition) recheckKeys(c int) error {
	recheck := func(columns []int, parts []schema.Part) error {
		bytes := 0
		for i, x := range columns {
			p := schema.Part{}
			if parts != nil {
				p = parts[i]
			}
			if x == c {
				var length *int
				if t := d.Columns[c].Type; p.Prefix > 0 && t.IsString() {
					if t.Size >= 0 && p.Prefix >= t.Size {
						p.Prefix = 0
					} else {
						length = &p.Prefix
					}
				} else if p.Prefix = 0; true {
					length = nil
				}
				if _, err := d.keyPart(c, length); err != nil {
					return err
				}
				if parts != nil {
					parts[i] = p
				}
			}
			bytes += partBytes(d.Columns[x].Type, p)
		}
		if bytes > maxKeyBytes {
			return errKeyTooLong()
		}
		return nil
	}
	d.PrimaryParts = slices.Clone(d.PrimaryParts)
	if err := recheck(d.PrimaryKey, d.PrimaryParts); err != nil {
		return err
	}
	for i := range d.Indexes {
		ix := &d.Indexes[i]
		if ix.Parts = slices.Clone(ix.Parts); len(ix.Parts) == 0 {
			ix.Parts = nil
		}
		if err := recheck(ix.Columns, ix.Parts); err != nil {
			return err
		}
	}
	if len(d.PrimaryParts) == 0 {
		d.PrimaryParts = nil
	}
	return nil
}

// alterColumn runs ALTER COLUMN: SET and DROP DEFAULT, SET [IN]VISIBLE.
func (d *definition) alterColumn(o *sqlparser.AlterColumn) error {
	c := d.lookup(o.Column.Name.String())
	if c < 0 && d.SystemColumn(o.Column.Name.String()) >= 0 {
		return errSystemColumn(o.Column.Name.String())
	}
	if c < 0 {
		return errNoColumn(o.Column.Name.String(), d.Name)
	}
	col := &d.Columns[c]
	switch {
	case o.Invisible != nil:
		col.Hidden, col.Invisible = *o.Invisible, *o.Invisible
		return nil
	case col.Generated != "":
		return sqlerr.WrongUsage.New("Incorrect usage of DEFAULT and generated column")
	case o.DropDefault:
		col.Default, col.NoDefault = "", !col.NotNull
		return nil
	}
	col.Default, col.NoDefault = "", false
	return setDefault(col, &sqlparser.ColumnTypeOptions{Default: o.DefaultVal, DefaultLiteral: o.DefaultLiteral}, d.zeroDates)
}
