package service

import (
	"context"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// ColumnType returns the type of a variable that a trigger declares.
func ColumnType(t *sqlparser.ColumnType) (types.Type, error) {
	return columnType(t, "", types.DefaultCollation)
}

// Trigger returns a table's definition and its named trigger;
// sqlerr.NoSuchTrigger.
func (c *Catalog) Trigger(ctx context.Context, namespace, trigger string) (*schema.Table, *schema.Trigger, error) {
	var at name
	err := c.read(func(tx *store.Tx) error {
		n, err := sqlmeta.FindName(ctx, tx, sqlmeta.NameKey{Namespace: namespace, Kind: sqlmeta.TriggerName, Name: trigger})
		if err != nil {
			return err
		}
		r, err := sqlmeta.Tables.Get(ctx, tx, n.TableID)
		if err == nil {
			at = name{r.Namespace, r.Name}
		}
		return err
	})
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.NoSuchRecord {
		return nil, nil, sqlerr.NoSuchTrigger.New("Trigger does not exist")
	}
	if err != nil {
		return nil, nil, err
	}
	t, err := c.Table(ctx, at.namespace, at.table)
	if err != nil {
		return nil, nil, err
	}
	for i := range t.Triggers {
		if strings.EqualFold(t.Triggers[i].Name, trigger) {
			return t, &t.Triggers[i], nil
		}
	}
	return nil, nil, sqlerr.NoSuchTrigger.New("Trigger does not exist")
}

func (c *Catalog) createTrigger(ctx context.Context, s Scope, n *parse.CreateTrigger) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	own, err := s.name(n.Name)
	if err != nil {
		return err
	}
	if n.Name.Qualifier.IsEmpty() {
		own.namespace = at.namespace
	}
	if err := checkName(own.table, sqlerr.WrongTableName, "trigger"); err != nil {
		return err
	}
	if own.namespace != at.namespace {
		return sqlerr.TriggerWrongSchema.New("Trigger in wrong schema")
	}
	def := schema.Trigger{Name: own.table, Before: n.Before, Event: n.Event, Body: n.Body, SQL: n.SQL, User: s.User, Created: s.Now}
	return c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
		r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
		if err != nil {
			return nil, err
		}
		if r.Kind == schema.Viewed {
			return nil, wrongObject(at, "BASE TABLE")
		}
		old, err := sqlmeta.CurrentSchema(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		_, err = sqlmeta.FindName(ctx, tx, sqlmeta.NameKey{Namespace: own.namespace, Kind: sqlmeta.TriggerName, Name: own.table})
		if err == nil {
			exists := sqlerr.TriggerExists.New("Trigger already exists")
			if n.IfNotExists {
				s.Warn(exists)
				return nil, nil
			}
			return nil, exists
		}
		if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.NoSuchRecord {
			return nil, err
		}
		t := copyOf(old)
		if err := plan.CheckTrigger(t, &def, plan.Options{Catalog: c, Zone: s.Zone, ColumnType: ColumnType}); err != nil {
			return nil, err
		}
		place, err := triggerPlace(t, &def, n)
		if err != nil {
			return nil, err
		}
		t.Triggers = slices.Insert(slices.Clone(t.Triggers), place, def)
		return []*schema.Table{old, t}, newVersion(ctx, tx, s, r, t)
	})
}

// triggerPlace returns where a trigger comes among those of its table.
func triggerPlace(t *schema.Table, def *schema.Trigger, n *parse.CreateTrigger) (int, error) {
	beside := n.Follows + n.Precedes
	if beside == "" {
		return len(t.Triggers), nil
	}
	for i := range t.Triggers {
		x := &t.Triggers[i]
		if !strings.EqualFold(x.Name, beside) || x.Before != def.Before || x.Event != def.Event {
			continue
		}
		if n.Follows != "" {
			i++
		}
		return i, nil
	}
	return 0, sqlerr.ReferencedTrigger.New("Referenced trigger '%s' for the given action time and event type does not exist.", beside)
}

func (c *Catalog) dropTrigger(ctx context.Context, s Scope, n *parse.DropTrigger) error {
	own, err := s.name(n.Name)
	if err != nil {
		return err
	}
	stake := func() ([]*schema.Table, error) {
		t, _, err := c.Trigger(ctx, own.namespace, own.table)
		return []*schema.Table{t}, err
	}
	err = c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		old, def, err := c.Trigger(ctx, own.namespace, own.table)
		if err != nil {
			return nil, err
		}
		r, err := sqlmeta.TableByName(ctx, tx, old.Namespace, old.Name)
		if err != nil {
			return nil, err
		}
		t := copyOf(old)
		t.Triggers = slices.DeleteFunc(slices.Clone(t.Triggers), func(x schema.Trigger) bool { return x.Name == def.Name })
		return []*schema.Table{old, t}, newVersion(ctx, tx, s, r, t)
	})
	if e := sqlerr.As(err); n.IfExists && e != nil && e.Kind == sqlerr.NoSuchTrigger {
		s.Warn(err)
		return nil
	}
	return err
}

// checkTrigger finds out whether CREATE TRIGGER is supported, as far as its
// text tells.
func checkTrigger(n *parse.CreateTrigger) error {
	if q := n.Table.Qualifier.String(); tables.IsSystem(q) {
		return sqlerr.CommandDenied.New("Access denied to database '%s'", q)
	}
	return nil
}
