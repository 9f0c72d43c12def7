package service

import (
	"context"
	"reflect"
	"slices"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
)

// Indexes come and go under open transactions: an index that is younger than a
// snapshot has not all entries in it, but others may be read instead; entries of one
// that is gone need not be kept up any more. Only a unique index cannot be added
// under a transaction that would have to look for its keys.

// youngIndexes returns the indexes that a change of a table has added, and whether it
// has done nothing else that matters to open transactions.
func youngIndexes(old, t *schema.Table) (added []uint32, ok bool) {
	a, b := *old, *t
	a.Indexes, a.Version, a.NextIndexID = nil, 0, 0
	b.Indexes, b.Version, b.NextIndexID = nil, 0, 0
	if !reflect.DeepEqual(&a, &b) {
		return nil, false
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		switch before := indexByID(old, ix.ID); {
		case before == nil && ix.Unique, before != nil && !reflect.DeepEqual(before, ix):
			return nil, false
		case before == nil:
			added = append(added, ix.ID)
		}
	}
	return added, true
}

// noteChanges notes the definitions that version v has changed. The caller holds c.mu.
func (c *Catalog) noteChanges(touched []*schema.Table, v uint64) {
	for i, t := range touched {
		delete(c.tables, name{t.Namespace, t.Name})
		delete(c.sizes, t.ID)
		same := func(o *schema.Table) bool { return o.ID == t.ID }
		first := slices.IndexFunc(touched, same)
		if first == i && slices.ContainsFunc(touched[i+1:], same) {
			continue // the new one comes
		}
		added, ok := youngIndexes(touched[first], t)
		if !ok || first == i {
			c.changed[t.ID] = v // who has an older snapshot is refused
			delete(c.young, t.ID)
			continue
		}
		for _, ix := range added {
			if c.young[t.ID] == nil {
				c.young[t.ID] = map[uint32]uint64{}
			}
			c.young[t.ID][ix] = v
			c.youngest.Store(v)
		}
	}
}

// HasYounger reports whether there may be indexes that are younger than version v.
func (c *Catalog) HasYounger(v uint64) bool { return c.youngest.Load() > v }

// AsOf returns the catalogue for statements that read a snapshot of version v. It is
// for one statement.
func (c *Catalog) AsOf(v uint64) plan.Catalog {
	return &asOf{Catalog: c, version: v, tables: map[*schema.Table]*schema.Table{}}
}

// asOf hides the indexes that are younger than a version from queries.
type asOf struct {
	*Catalog
	version uint64
	tables  map[*schema.Table]*schema.Table
}

func (c *asOf) hide(t *schema.Table) *schema.Table {
	if t == nil {
		return nil
	}
	if as := c.tables[t]; as != nil {
		return as
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	as := t
	for i := range t.Indexes {
		if c.young[t.ID][t.Indexes[i].ID] > c.version {
			if as == t {
				as = copyOf(t)
			}
			as.Indexes[i].Invisible = true
		}
	}
	c.tables[t] = as
	return as
}

// Table implements plan.Catalog.
func (c *asOf) Table(ctx context.Context, namespace, name string) (*schema.Table, error) {
	t, err := c.Catalog.Table(ctx, namespace, name)
	return c.hide(t), err
}

// Children implements plan.Catalog.
func (c *asOf) Children(ctx context.Context, t *schema.Table) ([]*schema.Table, error) {
	list, err := c.Catalog.Children(ctx, t)
	list = slices.Clone(list)
	for i := range list {
		list[i] = c.hide(list[i])
	}
	return list, err
}
