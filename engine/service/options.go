package service

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// The greatest values of options: ten years, and as many rows as are counted
// with each INSERT.
const (
	maxHours   = 10 * 366 * 24
	maxSeconds = maxHours * 3600
	maxBuffer  = 100_000

	maxMegabytes = 1 << 20
)

// kindOf returns the kind of table that a word before TABLE, "" for none, and a
// TYPE among the options ask for.
func kindOf(word string, list []parse.Option) (schema.TableKind, error) {
	kind := schema.TableKind(word)
	for i := range list {
		o := &list[i]
		if o.Name != "TYPE" {
			continue
		}
		k := schema.TableKind(strings.ToLower(o.Value))
		switch k {
		case schema.User, schema.Shared, schema.Stream:
		default:
			return "", o.Errorf("TYPE is '%s'; it can be 'USER', 'SHARED' or 'STREAM'", o.Value)
		}
		if kind != "" && word == "" {
			return "", o.Errorf("TYPE is given twice")
		}
		if kind != "" && kind != k {
			return "", o.Errorf("TYPE is '%s', but the statement says %s TABLE", o.Value, strings.ToUpper(word))
		}
		kind = k
	}
	if kind == "" {
		kind = schema.Shared
	}
	return kind, nil
}

// saysKind reports whether CREATE TABLE says a table's kind.
func saysKind(word string, list []parse.Option) bool {
	return word != "" || slices.ContainsFunc(list, func(o parse.Option) bool { return o.Name == "TYPE" })
}

// setOptions takes over options of a table of the definition's kind.
func (d *definition) setOptions(list []parse.Option) error {
	var seen []string
	for i := range list {
		o := &list[i]
		if slices.Contains(seen, o.Name) {
			return o.Errorf("%s is given twice", o.Name)
		}
		seen = append(seen, o.Name)
		if err := d.setOption(o); err != nil {
			return err
		}
	}
	return nil
}

// optionKinds are the kinds of tables that an option is for.
var optionKinds = map[string][]schema.TableKind{
	"TYPE":                    {schema.User, schema.Shared, schema.Stream},
	"STORAGE_ID":              {schema.User, schema.Shared},
	"FLUSH_POLICY":            {schema.User, schema.Shared},
	"DELETED_RETENTION_HOURS": {schema.User, schema.Shared},
	"TTL_SECONDS":             {schema.Stream},
	"MAX_BUFFER":              {schema.Stream},
	"EPHEMERAL":               {schema.Stream},
	"CHANGE_RETENTION_HOURS":  {schema.User, schema.Shared, schema.Stream},
	"CHANGE_RETENTION_MB":     {schema.User, schema.Shared, schema.Stream},
	"ACCESS_LEVEL":            {schema.Shared},
	"PACK":                    {schema.User, schema.Shared},
}

func (d *definition) setOption(o *parse.Option) (err error) {
	kinds := optionKinds[o.Name]
	switch {
	case kinds == nil:
		return o.Errorf("There is no option %s", o.Name)
	case !slices.Contains(kinds, d.Kind):
		return o.Errorf("%s is no option of a %s table", o.Name, d.Kind)
	}
	switch o.Name {
	case "TYPE": // of a new table, see kindOf
		if !strings.EqualFold(o.Value, string(d.Kind)) {
			return o.Errorf("The TYPE of a table cannot be changed")
		}
	case "STORAGE_ID":
		d.Options.StorageID, err = textOption(o)
	case "FLUSH_POLICY":
		err = checkFlushPolicy(o)
	case "DELETED_RETENTION_HOURS":
		d.Options.RetentionHours, err = numberOption(o, 0, maxHours)
	case "TTL_SECONDS":
		d.Options.TTLSeconds, err = numberOption(o, 1, maxSeconds)
	case "MAX_BUFFER":
		d.Options.MaxBuffer, err = numberOption(o, 1, maxBuffer)
	case "EPHEMERAL":
		d.Options.Ephemeral = o.Type == parse.NoValue || o.Type == parse.Word && o.Value == "TRUE"
		if !d.Options.Ephemeral && (o.Type != parse.Word || o.Value != "FALSE") {
			return o.Errorf("EPHEMERAL is TRUE or FALSE")
		}
	case "CHANGE_RETENTION_HOURS":
		d.Options.ChangeHours, err = numberOption(o, 0, maxHours)
	case "CHANGE_RETENTION_MB":
		d.Options.ChangeMB, err = numberOption(o, 1, maxMegabytes)
	case "PACK":
		switch strings.ToLower(o.Value) {
		case "on", "off":
		default:
			return o.Errorf("PACK is '%s'; it can be 'on' or 'off'", o.Value)
		}
		d.Options.Unpacked = strings.EqualFold(o.Value, "off")
	case "ACCESS_LEVEL":
		a := schema.AccessLevel(strings.ToUpper(o.Value))
		switch a {
		case schema.Public, schema.Private, schema.Restricted:
		default:
			return o.Errorf("ACCESS_LEVEL is '%s'; it can be 'PUBLIC', 'PRIVATE' or 'RESTRICTED'", o.Value)
		}
		d.Options.Access = a
	}
	return err
}

// checkFlushPolicy reads 'rows:N,interval:SECONDS', of which one may be missing, and
// refuses it: there is no cold tier that rows could go to. ” asks for no policy.
func checkFlushPolicy(o *parse.Option) error {
	text, err := textOption(o)
	if text == "" || err != nil {
		return err
	}
	var seen []string
	for _, part := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), ":")
		name = strings.ToLower(strings.TrimSpace(name))
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if name != "rows" && name != "interval" || err != nil || n <= 0 || name == "interval" && n > maxSeconds || slices.Contains(seen, name) {
			return o.Errorf("FLUSH_POLICY is '%s'; it is 'rows:N', 'interval:SECONDS' or both with a comma between them", text)
		}
		seen = append(seen, name)
	}
	return sqlerr.Unsupported("FLUSH_POLICY: all rows stay in the database's own files").At(o.At)
}

func textOption(o *parse.Option) (string, error) {
	if o.Type != parse.Text {
		return "", o.Errorf("%s is a text in quotes", o.Name)
	}
	return o.Value, nil
}

func numberOption(o *parse.Option, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(o.Value, 10, 64)
	if o.Type != parse.Number || err != nil || n < low || n > high {
		return 0, o.Errorf("%s is a number from %d to %d", o.Name, low, high)
	}
	return n, nil
}

// checkStorage finds out whether the storage location that t names is there.
func checkStorage(ctx context.Context, tx *store.Tx, t *schema.Table) error {
	if t.Options.StorageID == "" {
		return nil
	}
	_, err := sqlmeta.StorageLocations.Get(ctx, tx, t.Options.StorageID)
	if errors.Is(err, sqlerr.NoSuchRecord) {
		return sqlerr.WrongOption.New("STORAGE_ID is '%s'; there is no such storage location", t.Options.StorageID)
	}
	return err
}

// recorded takes over in a table's record what its definition says.
func recorded(r *sqlmeta.Table, t *schema.Table) {
	r.Kind, r.Comment, r.StorageID, r.Options = t.Kind, t.Comment, t.Options.StorageID, nil
	for _, o := range t.Options.List() {
		if o.Name == "STORAGE_ID" {
			continue
		}
		if r.Options == nil {
			r.Options = map[string]string{}
		}
		r.Options[strings.ToLower(o.Name)] = o.Value
	}
}

// setOptions runs ALTER TABLE … SET (options).
func (c *Catalog) setOptions(ctx context.Context, s Scope, n *parse.SetOptions) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	return c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
		r, old, err := c.alterable(ctx, tx, at, n.Kind)
		if err != nil {
			return nil, err
		}
		d := &definition{Table: copyOf(old)}
		if err := d.setOptions(n.Options); err != nil {
			return nil, err
		}
		if reflect.DeepEqual(d.Table, copyOf(old)) {
			return nil, nil // no new version
		}
		if err := checkStorage(ctx, tx, d.Table); err != nil {
			return nil, err
		}
		c.kept = append(c.kept, d.Table)
		return []*schema.Table{old, d.Table}, newVersion(ctx, tx, s, r, d.Table)
	})
}

// alterable returns a table's record and definition for ALTER TABLE; kind is
// the one that the statement says, or "".
func (c *Catalog) alterable(ctx context.Context, tx *store.Tx, at name, kind string) (*sqlmeta.Table, *schema.Table, error) {
	r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
	if err != nil {
		return nil, nil, err
	}
	if err := isKind(at, r.Kind, kind); err != nil {
		return nil, nil, err
	}
	if r.Kind == schema.Stream {
		return nil, nil, sqlerr.Unsupported("ALTER TABLE of a stream table").On(at.namespace + "." + at.table)
	}
	t, err := sqlmeta.CurrentSchema(ctx, tx, r)
	return r, t, err
}

// isKind refuses a statement that says another kind of table than it names.
func isKind(at name, kind schema.TableKind, said string) error {
	if said == "" || kind == schema.TableKind(said) {
		return nil
	}
	return wrongObject(at, strings.ToUpper(said)+" TABLE")
}

// streamKey gives a stream's definition its key: the time and a number that
// tells rows of one time apart.
func (d *definition) streamKey() error {
	for _, k := range d.keys {
		if k.primary || k.Unique {
			return sqlerr.Unsupported("PRIMARY KEY and UNIQUE of a stream table, whose rows are kept by time")
		}
	}
	if slices.ContainsFunc(d.Columns, func(c schema.Column) bool { return c.AutoIncrement }) {
		return sqlerr.Unsupported("AUTO_INCREMENT of a stream table, whose rows have a _time and a _rowid")
	}
	for _, c := range []schema.Column{
		{Name: schema.TimeColumn, NotNull: true, Hidden: true, Type: streamTime},
		{Name: schema.RowIDColumn, NotNull: true, Hidden: true, Type: rowIDType},
	} {
		c.ID = d.NextColumnID
		d.NextColumnID++
		d.PrimaryKey = append(d.PrimaryKey, len(d.Columns))
		d.Columns = append(d.Columns, c)
	}
	d.primary = true
	if d.Options.TTLSeconds == 0 && d.Options.MaxBuffer == 0 && !d.Options.Ephemeral {
		return sqlerr.WrongOption.New("A stream table needs TTL_SECONDS, MAX_BUFFER, EPHEMERAL or several of them: WITH (TTL_SECONDS=60)")
	}
	return nil
}

// checkCreate finds out whether a CREATE TABLE with kind and options makes sense.
func checkCreate(n *parse.CreateTable) error {
	kind, err := kindOf(n.Kind, n.Options)
	switch {
	case err != nil:
		return err
	case n.OptLike != nil && len(n.Options) > 0:
		return sqlerr.Unsupported("WITH of CREATE TABLE ... LIKE").At(n.Options[0].At)
	}
	return checkDefinition(n.CreateTable, kind, n.Options)
}
