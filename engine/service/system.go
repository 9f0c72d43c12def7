package service

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
)

// system makes the changes of one statement that writes a system table.
type system struct {
	c       *Catalog
	s       Scope
	tx      *txn.Tx
	locked  []name          // the tables that are
	wanted  []name          // those that have to be
	touched []*schema.Table // definitions that are out of date
	then    []func(context.Context) error
}

// errWanted ends an attempt for which not all tables were locked.
var errWanted = sqlerr.Internal.New("a table is to be locked first")

// WriteSystem runs a statement that writes a system table in a transaction of its own,
// while the catalogue is locked. It begins again when it comes upon tables that have
// to be locked, which is before the catalogue.
func (c *Catalog) WriteSystem(ctx context.Context, s Scope, run func(*txn.Tx, tables.Writer) error) error {
	var locked []name
	for {
		w := &system{c: c, s: s, tx: c.txns.Begin(txn.Options{TableWait: s.LockWait, Under: s.Locks}), locked: locked}
		err := w.run(ctx, run)
		w.tx.Rollback()
		if len(w.wanted) > 0 {
			locked = append(locked, w.wanted...)
			continue
		}
		for _, f := range w.then {
			if err == nil {
				err = f(ctx)
			}
		}
		return err
	}
}

func (w *system) run(ctx context.Context, run func(*txn.Tx, tables.Writer) error) error {
	c := w.c
	stake := func() ([]*schema.Table, error) {
		var list []*schema.Table
		for _, n := range w.locked {
			t, err := c.Table(ctx, n.namespace, n.table)
			switch {
			case err == nil:
				list = append(list, t)
			case !errors.Is(err, sqlerr.NoSuchTable) && !errors.Is(err, sqlerr.BadDatabase):
				return nil, err
			}
		}
		return list, nil
	}
	if err := c.lockDefinitions(ctx, w.tx, stake); err != nil {
		return err
	}
	if err := c.lockTables(ctx, w.tx, stake); err != nil {
		return err
	}
	if err := w.tx.Start(); err != nil {
		return err
	}
	c.queued, c.checks, c.gone, c.kept = false, nil, nil, nil // the catalogue is locked
	if err := run(w.tx, w.change); err != nil || w.tx.Store().Empty() {
		return err
	}
	if len(w.touched) == 0 {
		return c.commitRecords(ctx, w.s, w.tx)
	}
	return c.publish(ctx, w.s, w.tx, w.touched)
}

// change makes a change.
func (w *system) change(ctx context.Context, ch tables.RecordChange) error {
	switch ch.Table.Name {
	case "users":
		return w.user(ctx, &ch)
	case "storage_locations":
		return w.storageLocation(ctx, &ch)
	case "namespaces":
		return w.namespace(ctx, &ch)
	case "tables":
		return w.table(ctx, &ch)
	case "jobs":
		return w.job(ctx, &ch)
	}
	return sqlerr.Internal.New("no way to write %s", ch.Table.QualifiedName())
}

// only refuses an INSERT of other columns than those named.
func only(ch *tables.RecordChange, names ...string) error {
	if c := ch.Fixed(names...); c != "" {
		return sqlerr.ColumnNotUpdatable.New("Column '%s' of '%s' cannot be written", c, ch.Table.QualifiedName()).On(ch.Table.QualifiedName()).In(c)
	}
	return nil
}

func (w *system) user(ctx context.Context, ch *tables.RecordChange) error {
	tx := w.tx.Store()
	if ch.New == nil {
		u, err := sqlmeta.Users.Get(ctx, tx, ch.Before("id"))
		if err == nil {
			err = w.c.removeUser(ctx, tx, w.s, u)
		}
		if err == nil {
			err = w.c.rowsStay(ctx, tx, w.s, u)
		}
		return err
	}
	a := Account{ID: ch.Text("id"), Name: ch.Text("name")}
	email := ch.Text("email")
	a.Email = &email
	if ch.Old == nil && ch.Given("password") || ch.Old != nil && ch.Changed("password") { // NULL removes it
		password := ch.Text("password")
		a.Password = &password
	}
	role := ch.Text("role")
	if ch.Old == nil || role != ch.Before("role") {
		r, err := RoleNamed(role, 0)
		if err != nil {
			return err
		}
		a.Role = r
	}
	if ch.Old == nil {
		if err := only(ch, "id", "name", "role", "email", "password"); err != nil {
			return err
		}
		return w.c.addUser(ctx, tx, w.s, a)
	}
	u, err := sqlmeta.Users.Get(ctx, tx, ch.Before("id"))
	if err != nil {
		return err
	}
	if a.Name != u.Name {
		if err := checkUserName(a.Name); err != nil {
			return err
		}
		if u.ID == Owner || a.Name == Owner {
			return sqlerr.CannotUser.New("The name and the id '%s' belong together", Owner).On("system.users")
		}
		if _, err := sqlmeta.UserByName(ctx, tx, a.Name); !errors.Is(err, sqlerr.NoSuchRecord) {
			if err == nil {
				err = sqlerr.CannotUser.New("User '%s' cannot have the name '%s', which is another's", u.Name, a.Name).On("system.users")
			}
			return err
		}
		u.Name = a.Name
	}
	return w.c.changeUser(ctx, tx, w.s, u, a)
}

// optionsOf returns the members of a JSON object as a statement's options.
func optionsOf(ch *tables.RecordChange) ([]parse.Option, error) {
	if !ch.Given("options") {
		return nil, nil
	}
	members := map[string]any{}
	d := json.NewDecoder(strings.NewReader(ch.Text("options")))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, sqlerr.WrongOption.New("The options of '%s' are a JSON object", ch.Table.QualifiedName())
	}
	var list []parse.Option
	for name, v := range members {
		o := parse.Option{Name: strings.ToUpper(name), Type: parse.Text}
		switch v := v.(type) {
		case json.Number:
			o.Value, o.Type = v.String(), parse.Number
		case bool:
			o.Value, o.Type = strings.ToUpper(strconv.FormatBool(v)), parse.Word
		case string:
			if o.Value = v; v != "" && strings.Trim(v, "0123456789") == "" {
				o.Type = parse.Number // as the options are shown
			}
		default:
			return nil, sqlerr.WrongOption.New("Option %s is neither text nor number", name)
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b parse.Option) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (w *system) namespace(ctx context.Context, ch *tables.RecordChange) error {
	tx := w.tx.Store()
	r, err := sqlmeta.NamespaceByName(ctx, tx, ch.Before("name"))
	if err != nil {
		return err
	}
	list, err := optionsOf(ch)
	if err != nil {
		return err
	}
	r.Options, r.Description, r.Updated = nil, ch.Text("description"), w.s.Now
	for i := range list {
		if list[i].Name == "DESCRIPTION" {
			return sqlerr.WrongOption.New("The description of a namespace is a column of its own")
		}
	}
	if err := setNamespaceOptions(r, list); err != nil {
		return err
	}
	return sqlmeta.Namespaces.Update(ctx, tx, r)
}

func (w *system) table(ctx context.Context, ch *tables.RecordChange) error {
	tx := w.tx.Store()
	at := name{ch.Before("namespace"), ch.Before("name")}
	if !slices.Contains(w.locked, at) { // from those who write it, and know its definition
		w.wanted = append(w.wanted, at)
		return errWanted
	}
	r, old, err := w.c.alterable(ctx, tx, at, "")
	if err != nil {
		return err
	}
	if r.Kind == schema.Viewed {
		return sqlerr.Unsupported("options and comments of views").On(at.namespace + "." + at.table)
	}
	list, err := optionsOf(ch)
	if err != nil {
		return err
	}
	if id := ch.Text("storage_id"); id != "" {
		list = append(list, parse.Option{Name: "STORAGE_ID", Value: id, Type: parse.Text})
	}
	d := &definition{Table: copyOf(old)}
	d.Options, d.Comment = schema.Options{}, ch.Text("comment")
	if err := d.setOptions(list); err != nil {
		return err
	}
	if err := checkStorage(ctx, tx, d.Table); err != nil {
		return err
	}
	w.touched, w.c.kept = append(w.touched, old, d.Table), append(w.c.kept, d.Table)
	return newVersion(ctx, tx, w.s, r, d.Table)
}

func (w *system) job(ctx context.Context, ch *tables.RecordChange) error {
	id, err := strconv.ParseUint(ch.Before("id"), 10, 64)
	if err != nil {
		return sqlerr.Internal.Wrap(err, "the id of a job is no number")
	}
	switch ch.Text("state") {
	case sqlmeta.JobCancelled:
		w.then = append(w.then, func(ctx context.Context) error { return w.c.jobs.Kill(ctx, id) })
		return w.c.jobs.MayKill(id)
	case sqlmeta.JobQueued:
		w.c.queued = true
		return w.c.jobs.Retry(ctx, w.tx.Store(), id)
	}
	return wrongJobState()
}

func wrongJobState() error {
	return sqlerr.WrongValueForVar.New("The state of a job can be set to 'cancelled', or to 'queued' to run it again").On("system.jobs").In("state")
}

// CheckSystemValue returns an error where no row of a system table can have a value.
func CheckSystemValue(t *schema.Table, column, value string) error {
	switch {
	case t.Name == "users" && strings.EqualFold(column, "role"):
		_, err := RoleNamed(value, 0)
		return err
	case t.Name == "jobs" && strings.EqualFold(column, "state") && value != sqlmeta.JobCancelled && value != sqlmeta.JobQueued:
		return wrongJobState()
	}
	return nil
}

// kindFilesystem is the one kind of storage locations that there is.
const kindFilesystem = "filesystem"

func (w *system) storageLocation(ctx context.Context, ch *tables.RecordChange) error {
	tx := w.tx.Store()
	if ch.New == nil {
		id := ch.Before("id")
		if err := unusedStorage(ctx, tx, id); err != nil {
			return err
		}
		return sqlmeta.StorageLocations.Delete(ctx, tx, id)
	}
	l := &sqlmeta.StorageLocation{ID: ch.Text("id"), Created: w.s.Now}
	if ch.Old == nil {
		if l.ID == "" || utf8.RuneCountInString(l.ID) > maxUserName {
			return sqlerr.WrongOption.New("A storage location has an id of 1 to %d characters", maxUserName)
		}
	}
	if ch.Old == nil {
		if err := only(ch, "id", "name", "kind", "uri", "description", "options"); err != nil {
			return err
		}
	} else {
		old, err := sqlmeta.StorageLocations.Get(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if l.Created = old.Created; ch.Text("uri") != old.URI {
			if err := unusedStorage(ctx, tx, l.ID); err != nil {
				return err
			}
		}
	}
	l.Name, l.Kind, l.URI, l.Description, l.Updated = ch.Text("name"), strings.ToLower(ch.Text("kind")), ch.Text("uri"), ch.Text("description"), w.s.Now
	if l.Name == "" {
		l.Name = l.ID
	}
	list, err := optionsOf(ch)
	if err != nil {
		return err
	}
	for i := range list {
		return list[i].Errorf("There is no option %s of a storage location", list[i].Name)
	}
	if l.Kind != kindFilesystem {
		return sqlerr.Unsupported("storage locations of kind '%s': there is '%s'", l.Kind, kindFilesystem)
	}
	if l.URI, err = accessible(l.URI); err != nil {
		return err
	}
	if ch.Old == nil {
		return sqlmeta.StorageLocations.Insert(ctx, tx, l)
	}
	return sqlmeta.StorageLocations.Update(ctx, tx, l)
}

// maxNamed is how many tables an error names.
const maxNamed = 5

// unusedStorage returns an error where tables are kept in a storage location.
func unusedStorage(ctx context.Context, tx *store.Tx, id string) error {
	var names []string
	n := 0
	err := sqlmeta.Tables.ScanAll(ctx, tx, func(t *sqlmeta.Table) error {
		if t.StorageID == id {
			if n++; n <= maxNamed {
				names = append(names, t.Namespace+"."+t.Name)
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		return err
	}
	list := strings.Join(names, ", ")
	if n > maxNamed {
		list += " and " + strconv.Itoa(n-maxNamed) + " more"
	}
	return sqlerr.StorageInUse.New("Storage location '%s' is used by %s", id, list).On("system.storage_locations")
}

// accessible returns the path of a directory that uri names, once it has been found
// that files can be made in it.
func accessible(uri string) (string, error) {
	path := strings.TrimPrefix(uri, "file://")
	if !filepath.IsAbs(path) {
		return "", sqlerr.WrongOption.New("The uri of a storage location is the absolute path of a directory, such as /var/lib/cold or file:///var/lib/cold")
	}
	path = filepath.Clean(path)
	f, err := os.CreateTemp(path, ".kalam-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if failed := new(os.PathError); errors.As(err, &failed) {
		err = failed.Err // the name of the file was made up
	}
	if err != nil {
		return "", sqlerr.CantOpen.Wrap(err, "The directory '%s' of a storage location cannot be written: %v", path, err)
	}
	return path, nil
}
