package service

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// MySQL's limits.
const (
	maxNameLength = 64 // characters
	maxColumns    = 4096
	maxIndexes    = 64
	maxKeyColumns = 16
	maxKeyBytes   = 3072
	maxComment    = 1024 // characters of a column's or index's comment; twice that of a table's
)

// definition is a table's definition in the making.
type definition struct {
	*schema.Table
	keys      []key
	added     []*sqlparser.ConstraintDefinition // by ALTER TABLE
	primary   bool                              // has a primary key
	rowID     schema.Column                     // the hidden key of a table without one, if it had it before
	collation collations.ID

	// Of a changed definition: the columns, by id, whose values are converted from
	// those of another id; and that rows must be written anew.
	source  map[uint32]uint32
	rewrite bool

	zeroDates types.ZeroDates // may be defaults
}

// The types of hidden columns.
var (
	rowIDType  = types.Uint64Type
	streamTime = types.Type{Kind: types.Timestamp, Size: -1, Scale: 6, Collation: collations.CollationBinaryID}
)

// key is an index of a definition, the primary key included.
type key struct {
	schema.Index
	primary bool
}

// blueprint is what a table's definition is made of.
type blueprint struct {
	name
	spec      *sqlparser.TableSpec
	selected  []schema.Column // of the query of CREATE TABLE … SELECT
	collation collations.ID   // the namespace's
	kind      schema.TableKind
	options   []parse.Option
	zeroDates types.ZeroDates // may be defaults
}

// define makes a table's definition of a CREATE TABLE; the table has no id yet.
func define(of blueprint) (*schema.Table, error) {
	if err := checkName(of.table, sqlerr.WrongTableName, "table"); err != nil {
		return nil, err
	}
	spec := of.spec
	d := &definition{
		Table: &schema.Table{
			Namespace: of.namespace, Name: of.table, Kind: of.kind, Version: 1,
			NextColumnID: 1, NextIndexID: 1,
		},
		zeroDates: of.zeroDates,
	}
	if err := d.setOptions(of.options); err != nil {
		return nil, err
	}
	d.setCollation(of.collation)
	if spec.PartitionOption != nil {
		return nil, sqlerr.Unsupported("PARTITION BY")
	}
	if err := d.options(spec.Options); err != nil {
		return nil, err
	}
	if err := d.columns(spec.Columns, of.selected); err != nil {
		return nil, err
	}
	if err := d.columnKeys(spec.Columns); err != nil {
		return nil, err
	}
	for _, ix := range spec.Indexes {
		k, err := d.indexKey(ix)
		if err != nil {
			return nil, err
		}
		d.keys = append(d.keys, k)
	}
	constraints := append(columnReferences(spec.Columns), spec.Constraints...)
	if err := d.foreignKeyIndexes(constraints); err != nil {
		return nil, err
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	return d.Table, d.addConstraints(constraints)
}

// columns adds the columns that are defined and those of a query: first what is only
// defined, then the query's, as they are defined if they are.
func (d *definition) columns(defined []*sqlparser.ColumnDefinition, selected []schema.Column) error {
	find := func(name string) int {
		return slices.IndexFunc(defined, func(c *sqlparser.ColumnDefinition) bool { return c.Name.EqualString(name) })
	}
	for _, c := range defined {
		if slices.ContainsFunc(selected, func(s schema.Column) bool { return c.Name.EqualString(s.Name) }) {
			continue
		}
		if err := d.column(c); err != nil {
			return err
		}
	}
	for _, c := range selected {
		var err error
		if i := find(c.Name); i >= 0 {
			err = d.column(defined[i])
		} else if err = checkColumnName(c.Name); err == nil {
			err = d.add(selectedColumn(c))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setCollation sets the collation of text columns that name none.
func (d *definition) setCollation(id collations.ID) {
	if d.collation, d.Collation = id, id; id == types.DefaultCollation {
		d.Collation = 0
	}
}

// checkName checks a name of a table, column or index.
func checkName(name string, wrong *sqlerr.Kind, what string) error {
	switch {
	case utf8.RuneCountInString(name) > maxNameLength:
		return sqlerr.TooLongIdent.New("Identifier name '%s' is too long", name)
	case name == "" || strings.HasSuffix(name, " ") || strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return wrong.New("Incorrect %s name '%s'", what, name)
	}
	return nil
}

func checkComment(comment string, limit int, of string) error {
	if utf8.RuneCountInString(comment) > limit {
		return sqlerr.DataTooLong.New("Comment for %s is too long (max = %d)", of, limit)
	}
	return nil
}

// options reads the table options. What other engines do with rows is taken
// without effect, as InnoDB takes it.
func (d *definition) options(list sqlparser.TableOptions) error {
	for _, o := range list {
		switch option := strings.ToLower(o.Name); option {
		case "engine":
			if !strings.EqualFold(o.String, "innodb") && !strings.EqualFold(o.String, "kalam") {
				return sqlerr.Unsupported("ENGINE=%s", o.String)
			}
		case "charset", "character set":
			id, err := charsetCollation(o.String)
			if err != nil {
				return err
			}
			d.setCollation(id)
		case "collate":
			id, err := tableCollation(o.String)
			if err != nil {
				return err
			}
			d.setCollation(id)
		case "comment":
			if err := checkComment(o.Value.Val, 2*maxComment, "table '"+d.Name+"'"); err != nil {
				return err
			}
			d.Comment = o.Value.Val
		case "auto_increment":
			n, err := strconv.ParseUint(o.Value.Val, 10, 64)
			if err != nil {
				return sqlerr.OutOfRange.New("Out of range value for AUTO_INCREMENT")
			}
			d.AutoIncrementStart = n
		case "row_format", "avg_row_length", "max_rows", "min_rows", "pack_keys", "delay_key_write",
			"stats_auto_recalc", "stats_persistent", "stats_sample_pages", "key_block_size", "checksum",
			"connection", "insert_method", "password", "union":
		default:
			return sqlerr.Unsupported("%s=", strings.ToUpper(option))
		}
	}
	return nil
}

// addConstraints adds the constraints that are no indexes. Columns and keys are
// there.
func (d *definition) addConstraints(list []*sqlparser.ConstraintDefinition) error {
	for _, c := range list {
		var err error
		switch def := c.Details.(type) {
		case *sqlparser.ForeignKeyDefinition:
			err = d.addForeignKey(c.Name.String(), def)
		case *sqlparser.CheckConstraintDefinition:
			err = d.addCheck(c.Name.String(), def)
		default:
			err = sqlerr.Unsupported("constraint %s", c.Name.String())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// columnKeys adds the keys that columns ask for.
func (d *definition) columnKeys(columns []*sqlparser.ColumnDefinition) error {
	for _, c := range columns {
		if c.Type.Options == nil {
			continue
		}
		i := d.Column(c.Name.String())
		k := key{Index: schema.Index{Columns: []int{i}, Unique: true}} // whole and ascending
		switch c.Type.Options.KeyOpt {
		case sqlparser.ColKeyPrimary, sqlparser.ColKey:
			k.primary = true
		case sqlparser.ColKeyUnique, sqlparser.ColKeyUniqueKey:
		default:
			continue
		}
		if d.Columns[i].Type.IsSpatial() {
			return errSpatialUnique()
		}
		if _, err := d.keyPart(i, nil); err != nil {
			return err
		}
		d.keys = append(d.keys, k)
	}
	return nil
}

// indexKey reads an index definition over the definition's columns.
func (d *definition) indexKey(def *sqlparser.IndexDefinition) (key, error) {
	k := key{}
	switch def.Info.Type {
	case sqlparser.IndexTypePrimary:
		k.primary, k.Unique = true, true
	case sqlparser.IndexTypeUnique:
		k.Unique = true
	case sqlparser.IndexTypeDefault:
	default:
		return k, sqlerr.Unsupported("FULLTEXT and SPATIAL indexes")
	}
	if !k.primary {
		k.Name = def.Info.Name.String()
		if k.Name == "" {
			k.Name = def.Info.ConstraintName.String()
		}
		if k.Name != "" {
			if err := checkName(k.Name, sqlerr.WrongNameForIndex, "index"); err != nil {
				return k, err
			}
			if strings.EqualFold(k.Name, "PRIMARY") {
				return k, sqlerr.WrongNameForIndex.New("Incorrect index name '%s'", k.Name)
			}
		}
	}
	for _, o := range def.Options {
		switch option := strings.ToLower(o.Name); option {
		case "using": // there is one kind of index
			k.BTree = strings.EqualFold(o.String, "btree")
		case "key_block_size", "visible":
			k.Invisible = false
		case "invisible":
			if k.Invisible = true; k.primary {
				return k, errPrimaryInvisible()
			}
		case "comment":
			if err := checkComment(o.Value.Val, maxComment, "index '"+k.Name+"'"); err != nil {
				return k, err
			}
			k.Comment = o.Value.Val
		default:
			return k, sqlerr.Unsupported("index option %s", strings.ToUpper(option))
		}
	}
	if len(def.Columns) > maxKeyColumns {
		return k, sqlerr.TooManyKeyParts.New("Too many key parts specified; max %d parts allowed", maxKeyColumns)
	}
	bytes := 0
	for _, c := range def.Columns {
		if c.Expression != nil {
			i, err := d.keyExpression(&k, c.Expression)
			if err != nil {
				return k, err
			}
			k.Columns, k.Parts = append(k.Columns, i), append(k.Parts, schema.Part{Desc: c.Direction == sqlparser.DescOrder})
			continue
		}
		i := d.lookup(c.Column.String())
		if i < 0 {
			return k, sqlerr.KeyColumnMissing.New("Key column '%s' doesn't exist in table", c.Column.String()).In(c.Column.String())
		}
		if slices.Contains(k.Columns, i) {
			return k, sqlerr.DupFieldName.New("Duplicate column name '%s'", c.Column.String()).In(c.Column.String())
		}
		if k.Unique && d.Columns[i].Type.IsSpatial() {
			return k, errSpatialUnique()
		}
		part, err := d.keyPart(i, c.Length)
		if err != nil {
			return k, err
		}
		part.Desc = c.Direction == sqlparser.DescOrder
		k.Columns, k.Parts = append(k.Columns, i), append(k.Parts, part)
		bytes += partBytes(d.Columns[i].Type, part)
	}
	if !slices.ContainsFunc(k.Parts, func(p schema.Part) bool { return p != schema.Part{} }) {
		k.Parts = nil
	}
	if bytes > maxKeyBytes {
		return k, errKeyTooLong()
	}
	return k, nil
}

func errPrimaryInvisible() error {
	return sqlerr.PKInvisible.New("A primary key index cannot be invisible")
}

func errSpatialUnique() error {
	return sqlerr.SpatialUnique.New("Spatial indexes can't be primary or unique indexes.")
}

func errKeyTooLong() error {
	return sqlerr.KeyTooLong.New("Specified key was too long; max key length is %d bytes", maxKeyBytes)
}

// keyPart checks that a column, or length characters of it, can be in an index,
// and returns how the index has it.
func (d *definition) keyPart(i int, length *int) (p schema.Part, err error) {
	c := &d.Columns[i]
	wrong := sqlerr.WrongSubKey.New("Incorrect prefix key; the used key part isn't a string, the used length is longer than the key part, " +
		"or the storage engine doesn't support unique prefix keys").In(c.Name)
	switch {
	case c.Type.IsSpatial(): // without a word more it would be a spatial one
		return p, sqlerr.Unsupported("SPATIAL indexes").In(c.Name)
	case length == nil:
		if c.Type.Kind == types.JSON {
			return p, sqlerr.JSONUsedAsKey.New("JSON column '%s' supports indexing only via generated columns on a specified JSON path.", c.Name).In(c.Name)
		}
		if c.Type.IsString() && keyBytes(c.Type) < 0 {
			return p, sqlerr.BlobKeyNoLength.New("BLOB/TEXT column '%s' used in key specification without a key length", c.Name).In(c.Name)
		}
	case *length == 0:
		return p, sqlerr.KeyPartZero.New("Key part '%s' length cannot be 0", c.Name).In(c.Name)
	case !c.Type.IsString() || c.Type.Size >= 0 && *length > c.Type.Size:
		return p, wrong
	case c.Type.Size < 0 || *length < c.Type.Size:
		p.Prefix = *length
	}
	if partBytes(c.Type, p) > maxKeyBytes {
		return p, errKeyTooLong()
	}
	return p, nil
}

// partBytes is keyBytes of what a key has of a column.
func partBytes(t types.Type, p schema.Part) int {
	switch {
	case p.Prefix == 0:
		return keyBytes(t)
	case t.IsText():
		return 4 * p.Prefix
	}
	return p.Prefix
}

// keyBytes returns how many bytes a column takes in a key, as MySQL counts;
// -1: without limit.
func keyBytes(t types.Type) int {
	switch t.Kind {
	case types.Char, types.VarChar:
		return 4 * t.Size
	case types.Binary, types.VarBinary:
		return t.Size
	case types.UUID:
		return 16
	case types.Decimal:
		return t.Size/2 + 1
	}
	if t.IsString() || t.Kind == types.JSON {
		return -1
	}
	return 8
}

// finish makes the primary key and the indexes.
func (d *definition) finish() error {
	if !slices.ContainsFunc(d.Columns, func(c schema.Column) bool { return !c.Hidden }) {
		return sqlerr.TableMustHaveCols.New("A table must have at least 1 column")
	}
	if err := d.checkComputed(); err != nil {
		return err
	}
	if d.Kind == schema.Stream {
		if err := d.streamKey(); err != nil {
			return err
		}
	}
	for _, k := range d.keys {
		if !k.primary {
			continue
		}
		if d.primary {
			return sqlerr.MultiplePriKey.New("Multiple primary key defined")
		}
		d.primary, d.PrimaryKey, d.PrimaryParts = true, k.Columns, k.Parts
	}
	d.keys = slices.DeleteFunc(d.keys, func(k key) bool { return k.primary })
	if !d.primary {
		if d.rowID.ID == 0 {
			d.rowID = schema.Column{ID: d.NextColumnID, Name: schema.RowIDColumn, NotNull: true, Hidden: true, Type: rowIDType}
			d.NextColumnID++
		}
		d.PrimaryKey, d.PrimaryParts = []int{len(d.Columns)}, nil
		d.Columns = append(d.Columns, d.rowID)
	}
	for _, i := range d.PrimaryKey {
		if d.Columns[i].Virtual {
			return sqlerr.GeneratedChange.New("'Defining a virtual generated column as primary key' is not supported for generated columns.").In(d.Columns[i].Name)
		}
		d.Columns[i].NotNull = true
	}
	return d.addKeys()
}

// addKeys gives new keys their names and ids and adds them to the indexes.
func (d *definition) addKeys() error {
	if len(d.Indexes)+len(d.keys) > maxIndexes {
		return sqlerr.TooManyKeys.New("Too many keys specified; max %d keys allowed", maxIndexes)
	}
	if err := d.nameKeys(); err != nil {
		return err
	}
	for _, k := range d.keys {
		if d.Index(k.Name) != nil {
			return errDupKeyName(k.Name)
		}
	}
	for _, k := range d.keys {
		k.ID = d.NextIndexID
		d.NextIndexID++
		d.Indexes = append(d.Indexes, k.Index)
	}
	d.sortIndexes()
	d.keys = nil
	return d.checkAutoIncrement()
}

// sortIndexes puts the indexes in MySQL's order: what identifies rows first.
func (d *definition) sortIndexes() {
	rank := func(ix schema.Index) int {
		switch {
		case !ix.Unique:
			return 2
		case slices.ContainsFunc(ix.Columns, func(i int) bool { return !d.Columns[i].NotNull }):
			return 1
		}
		return 0
	}
	slices.SortStableFunc(d.Indexes, func(a, b schema.Index) int { return rank(a) - rank(b) })
}

// nameKeys names the keys that have no name after their first column, with a
// number where that is taken.
func (d *definition) nameKeys() error {
	taken := func(name string) bool {
		return slices.ContainsFunc(d.keys, func(k key) bool { return strings.EqualFold(k.Name, name) }) || d.Index(name) != nil
	}
	for i := range d.keys {
		k := &d.keys[i]
		if k.Name == "" {
			base := d.Columns[k.Columns[0]].Name
			if strings.HasPrefix(base, hiddenPrefix) {
				base = "functional_index"
			}
			name := base
			for n := 2; taken(name) || strings.EqualFold(name, "PRIMARY"); n++ {
				name = fmt.Sprintf("%s_%d", base, n)
			}
			k.Name = name
		}
	}
	for i, k := range d.keys {
		for _, other := range d.keys[:i] {
			if strings.EqualFold(k.Name, other.Name) {
				return errDupKeyName(k.Name)
			}
		}
	}
	return nil
}

func errDupKeyName(name string) error {
	return sqlerr.DupKeyName.New("Duplicate key name '%s'", name).For(name)
}

// checkAutoIncrement requires AUTO_INCREMENT to be one column that leads a key.
func (d *definition) checkAutoIncrement() error {
	wrong := sqlerr.WrongAutoKey.New("Incorrect table definition; there can be only one auto column and it must be defined as a key")
	auto := -1
	for i := range d.Columns {
		if !d.Columns[i].AutoIncrement {
			continue
		}
		if auto >= 0 {
			return wrong
		}
		auto = i
	}
	if auto < 0 || d.PrimaryKey[0] == auto {
		return nil
	}
	for _, ix := range d.Indexes {
		if ix.Columns[0] == auto {
			return nil
		}
	}
	return wrong
}
