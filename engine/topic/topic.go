// Package topic runs topics: feeds of the changes of some tables for programs, which say
// how far they are.
//
// A topic has no store of its own. Its messages are made of the logs of changes of its
// sources (package store), which commits write, when they are consumed; so a message is
// as durable as the change, and a topic costs nothing but the logs. The log of a source is
// pinned (live.Pin): kept for the topic's retention, whether anybody consumes or not.
//
// A message's offset is
//
//	number of the commit (40 bits) | its place in the commit (24 bits)
//
// and the last one of a commit has all bits of the place set: so an offset tells by itself
// whether more of its commit is to come.
package topic

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/live"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// What a topic keeps of each source when nothing else is said.
const (
	DefaultRetention = 7 * 24 * time.Hour
	DefaultBytes     = 1 << 30
)

const (
	placeBits = 24
	lastPlace = 1<<placeBits - 1
)

// after is the offset of the last message of a commit.
func after(seq uint64) uint64 { return seq<<placeBits | lastPlace }

// Tables finds tables by what sources know.
type Tables interface {
	TableByID(ctx context.Context, id uint32) (*schema.Table, error)
}

// Topics are the topics of a database. They may be used from several goroutines at once.
type Topics struct {
	db     *store.DB
	txns   *txn.Manager
	hub    *live.Hub
	tables Tables
	mu     sync.Mutex // held by who changes topics or groups

	marking sync.Mutex
	marks   map[sqlmeta.GroupKey][2]mark // where it was read from last, and where that ended
}

// New returns the topics of a database.
func New(db *store.DB, txns *txn.Manager, hub *live.Hub, tables Tables) *Topics {
	return &Topics{db: db, txns: txns, hub: hub, tables: tables, marks: map[sqlmeta.GroupKey][2]mark{}}
}

// Restore pins the sources of all topics when the database is opened, before anybody
// writes.
func (t *Topics) Restore(ctx context.Context) error {
	list, err := t.List(ctx)
	if err != nil {
		return err
	}
	for _, topic := range list {
		for i := range topic.Sources {
			table, err := t.tables.TableByID(ctx, topic.Sources[i].TableID)
			if err != nil {
				continue // a backup without it was restored: consuming tells
			}
			if _, err := t.hub.Pin(ctx, table.StorageID(), pinName(topic), pinOf(topic, table, &topic.Sources[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func pinName(t *sqlmeta.Topic) string { return "topic '" + t.Namespace + "." + t.Name + "'" }

func pinOf(topic *sqlmeta.Topic, t *schema.Table, s *sqlmeta.TopicSource) live.Pin {
	p := live.Pin{Retention: topic.Retention, Bytes: topic.Bytes}
	e, err := parse.ParseExpr(s.Where)
	if s.Where == "" || err != nil { // consuming tells
		return p
	}
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if name, ok := n.(*sqlparser.ColName); ok {
			if c := t.Column(name.Name.String()); c >= 0 {
				p.Names = append(p.Names, t.Columns[c].ID)
			}
		}
		return true, nil
	}, e)
	return p
}

// List returns all topics, by name.
func (t *Topics) List(ctx context.Context) (list []*sqlmeta.Topic, err error) {
	err = t.txns.View(func(tx *store.Tx) error {
		return sqlmeta.Topics.ScanAll(ctx, tx, func(r *sqlmeta.Topic) error {
			list = append(list, r)
			return nil
		})
	})
	slices.SortFunc(list, func(a, b *sqlmeta.Topic) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list, err
}

// Groups returns the groups of all topics.
func (t *Topics) Groups(ctx context.Context) (list []*sqlmeta.TopicGroup, err error) {
	err = t.txns.View(func(tx *store.Tx) error {
		return sqlmeta.TopicGroups.ScanAll(ctx, tx, func(r *sqlmeta.TopicGroup) error {
			list = append(list, r)
			return nil
		})
	})
	return list, err
}

// change runs f and commits what it has changed, durably.
func (t *Topics) change(ctx context.Context, f func(*store.Tx) error) error {
	return t.txns.Update(ctx, store.Sync, f)
}

// Create makes a topic without sources; sqlerr.TopicExists.
func (t *Topics) Create(ctx context.Context, topic sqlmeta.Topic) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.change(ctx, func(tx *store.Tx) error {
		id, err := newID(ctx, tx)
		if err != nil {
			return err
		}
		topic.ID = id
		topic.Created = time.Now().UTC()
		return sqlmeta.Topics.Insert(ctx, tx, &topic)
	})
}

// newID returns a number for a topic. That of one that was dropped may come again: its
// groups must not.
func newID(ctx context.Context, tx *store.Tx) (uint32, error) {
	last, err := sqlmeta.Topics.Last(ctx, tx)
	if err != nil {
		return 0, err
	}
	id := uint32(1)
	if last != nil {
		id = last.ID + 1
	}
	return id, dropGroups(ctx, tx, id)
}

func dropGroups(ctx context.Context, tx *store.Tx, id uint32) error {
	var gone []sqlmeta.GroupKey
	err := sqlmeta.TopicGroups.ScanAll(ctx, tx, func(g *sqlmeta.TopicGroup) error {
		if g.TopicID == id {
			gone = append(gone, sqlmeta.GroupKey{TopicID: id, Name: g.Name})
		}
		return nil
	})
	for _, k := range gone {
		if err == nil {
			err = sqlmeta.TopicGroups.Delete(ctx, tx, k)
		}
	}
	return err
}

// Drop removes a topic and its groups; sqlerr.NoSuchTopic.
func (t *Topics) Drop(ctx context.Context, namespace, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.drop(ctx, namespace, name)
}

func (t *Topics) drop(ctx context.Context, namespace, name string) error {
	var topic *sqlmeta.Topic
	err := t.change(ctx, func(tx *store.Tx) (err error) {
		if topic, err = sqlmeta.TopicByName(ctx, tx, namespace, name); err != nil {
			return err
		}
		if err := dropGroups(ctx, tx, topic.ID); err != nil {
			return err
		}
		return sqlmeta.Topics.Delete(ctx, tx, topic.ID)
	})
	if err != nil {
		return err
	}
	for i := range topic.Sources {
		t.unpin(ctx, topic, &topic.Sources[i])
	}
	return nil
}

func (t *Topics) unpin(ctx context.Context, topic *sqlmeta.Topic, s *sqlmeta.TopicSource) {
	if table, err := t.tables.TableByID(ctx, s.TableID); err == nil {
		t.hub.Unpin(table.StorageID(), pinName(topic))
	}
}

// DropAll removes the topics of a namespace.
func (t *Topics) DropAll(ctx context.Context, namespace string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, err := t.List(ctx)
	for _, topic := range list {
		if err == nil && topic.Namespace == namespace {
			err = t.drop(ctx, namespace, topic.Name)
		}
	}
	return err
}

// Import puts the topics of a database that is restored in the place of those that are in
// the namespaces which it replaces, while commit runs, in its commit. They begin with what is
// to come; groups of topics that were there under the same name stay as far as they are.
func (t *Topics) Import(ctx context.Context, commit func(also func(service.Moved) error) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, err := t.List(ctx)
	if err != nil {
		return err
	}
	var made, gone []*sqlmeta.Topic
	tables := map[uint32]*schema.Table{} // of sources
	for _, topic := range list {
		for _, s := range topic.Sources {
			if table, err := t.tables.TableByID(ctx, s.TableID); err == nil {
				tables[s.TableID] = table
			}
		}
	}
	unpin := func(topics []*sqlmeta.Topic) {
		for _, topic := range topics {
			for _, s := range topic.Sources {
				if table := tables[s.TableID]; table != nil {
					t.hub.Unpin(table.StorageID(), pinName(topic))
				}
			}
		}
	}
	err = commit(func(m service.Moved) error {
		made, gone = nil, nil
		there := map[string]uint32{}
		for _, topic := range list {
			if !m.Replaced(topic.Namespace) {
				continue
			}
			gone = append(gone, topic)
			there[pinName(topic)] = topic.ID
			if err := sqlmeta.Topics.Delete(ctx, m.To, topic.ID); err != nil {
				return err
			}
		}
		err := sqlmeta.Topics.ScanAll(ctx, m.From, func(topic *sqlmeta.Topic) error {
			if m.Restored(topic.Namespace) {
				made = append(made, topic)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, topic := range made {
			sources := topic.Sources
			topic.Sources = nil
			for _, s := range sources {
				table := m.Tables[s.TableID]
				if table == nil {
					continue // of a namespace that is not restored
				}
				s.TableID, tables[table.ID] = table.ID, table
				if s.Since, err = t.hub.Pin(ctx, table.StorageID(), pinName(topic), pinOf(topic, table, &s)); err != nil {
					return err
				}
				topic.Sources = append(topic.Sources, s)
			}
			id, ok := there[pinName(topic)]
			if !ok {
				if id, err = newID(ctx, m.To); err != nil {
					return err
				}
			}
			delete(there, pinName(topic))
			topic.ID = id
			if err := sqlmeta.Topics.Insert(ctx, m.To, topic); err != nil {
				return err
			}
		}
		for _, id := range there {
			if err := dropGroups(ctx, m.To, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		unpin(made)
		return err
	}
	unpin(gone)
	return nil
}

// AddSource makes a topic have the changes that commits from now on make to a table. while
// runs a function as long as the table's definition is that of table, else it reports
// false, and so does AddSource. Errors: sqlerr.NoSuchTopic, WrongTopic where the topic has
// the table, and those of binding the condition.
func (t *Topics) AddSource(ctx context.Context, namespace, name string, table *schema.Table, s sqlmeta.TopicSource, while func(func() error) (bool, error)) (ok bool, err error) {
	if table.Kind == schema.Viewed || table.Kind == schema.System {
		return false, sqlerr.WrongTopic.New("'%s' is no table whose changes a topic can have", table.QualifiedName())
	}
	s.TableID = table.ID
	if _, err := bindSource(table, &s, true); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var topic *sqlmeta.Topic
	err = t.txns.View(func(tx *store.Tx) (err error) {
		topic, err = sqlmeta.TopicByName(ctx, tx, namespace, name)
		return err
	})
	if err != nil {
		return false, err
	}
	if sourceOf(topic, table.ID) >= 0 {
		return false, sqlerr.WrongTopic.New("Topic '%s.%s' has the source '%s' already", namespace, name, table.QualifiedName())
	}
	// A crash after this leaves a log that ends by itself.
	if s.Since, err = t.hub.Pin(ctx, table.StorageID(), pinName(topic), pinOf(topic, table, &s)); err != nil {
		return false, err
	}
	topic.Sources = append(topic.Sources, s)
	ok, err = while(func() error {
		return t.change(ctx, func(tx *store.Tx) error { return sqlmeta.Topics.Update(ctx, tx, topic) })
	})
	if !ok || err != nil {
		t.hub.Unpin(table.StorageID(), pinName(topic))
	}
	return ok, err
}

// DropSource takes a source off a topic; sqlerr.NoSuchTopic, WrongTopic.
func (t *Topics) DropSource(ctx context.Context, namespace, name string, table *schema.Table) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var topic *sqlmeta.Topic
	err := t.change(ctx, func(tx *store.Tx) (err error) {
		if topic, err = sqlmeta.TopicByName(ctx, tx, namespace, name); err != nil {
			return err
		}
		i := sourceOf(topic, table.ID)
		if i < 0 { // perhaps the table was restored from a backup: another has its name
			i = slices.IndexFunc(topic.Sources, func(s sqlmeta.TopicSource) bool {
				_, err := t.tables.TableByID(ctx, s.TableID)
				return err != nil
			})
		}
		if i < 0 {
			return sqlerr.WrongTopic.New("Topic '%s.%s' has no source '%s'", namespace, name, table.QualifiedName())
		}
		topic.Sources = slices.Delete(topic.Sources, i, i+1)
		return sqlmeta.Topics.Update(ctx, tx, topic)
	})
	if err == nil {
		t.hub.Unpin(table.StorageID(), pinName(topic))
	}
	return err
}

func sourceOf(t *sqlmeta.Topic, table uint32) int {
	return slices.IndexFunc(t.Sources, func(s sqlmeta.TopicSource) bool { return s.TableID == table })
}

// Ack notes that a group has dealt with all messages up to an offset. Less than it has
// acknowledged changes nothing. Errors: sqlerr.NoSuchTopic; WrongTopic for what is yet to
// come.
func (t *Topics) Ack(ctx context.Context, namespace, name, group string, offset uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	through := after(t.txns.Through())
	return t.change(ctx, func(tx *store.Tx) error {
		topic, err := sqlmeta.TopicByName(ctx, tx, namespace, name)
		if err != nil {
			return err
		}
		if offset > through {
			return sqlerr.WrongTopic.New("Topic '%s.%s' has no offset %d yet", namespace, name, offset)
		}
		g, err := groupOf(ctx, tx, topic, group)
		if err != nil || g != nil && g.Offset >= offset {
			return err
		}
		return putGroup(ctx, tx, &sqlmeta.TopicGroup{TopicID: topic.ID, Name: group, Offset: offset, Acked: time.Now().UTC()}, g != nil)
	})
}

// DropGroup forgets how far a group is; sqlerr.NoSuchTopic, WrongTopic where there is no such
// group.
func (t *Topics) DropGroup(ctx context.Context, namespace, name, group string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.change(ctx, func(tx *store.Tx) error {
		topic, err := sqlmeta.TopicByName(ctx, tx, namespace, name)
		if err != nil {
			return err
		}
		g, err := groupOf(ctx, tx, topic, group)
		if err == nil && g == nil {
			err = sqlerr.WrongTopic.New("Topic '%s.%s' has no group '%s'", namespace, name, group)
		}
		if err != nil {
			return err
		}
		return sqlmeta.TopicGroups.Delete(ctx, tx, sqlmeta.GroupKey{TopicID: topic.ID, Name: group})
	})
}

// groupOf returns a group; nil: there is none.
func groupOf(ctx context.Context, tx *store.Tx, topic *sqlmeta.Topic, name string) (*sqlmeta.TopicGroup, error) {
	g, err := sqlmeta.TopicGroups.Get(ctx, tx, sqlmeta.GroupKey{TopicID: topic.ID, Name: name})
	if sqlerr.As(err) != nil && sqlerr.As(err).Kind == sqlerr.NoSuchRecord {
		return nil, nil
	}
	return g, err
}

func putGroup(ctx context.Context, tx *store.Tx, g *sqlmeta.TopicGroup, there bool) error {
	if there {
		return sqlmeta.TopicGroups.Update(ctx, tx, g)
	}
	return sqlmeta.TopicGroups.Insert(ctx, tx, g)
}

// boundSource is a source whose expressions are over the whole rows of its table.
type boundSource struct {
	*sqlmeta.TopicSource
	table     *schema.Table
	columns   []int
	where     expr.Expr // or nil
	key, full expr.Expr // JSON objects
}

// bindSource binds a source's condition; adding tells that the source is to be added.
func bindSource(t *schema.Table, s *sqlmeta.TopicSource, adding bool) (*boundSource, error) {
	b := &boundSource{TopicSource: s, table: t}
	for i := range t.Columns {
		b.columns = append(b.columns, i)
	}
	var err error
	if s.Where != "" {
		e, err := parse.ParseExpr(s.Where)
		if err != nil {
			return nil, err
		}
		if !adding { // it was bound as it is written when it was added: the table may have another name now
			_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
				if name, ok := n.(*sqlparser.ColName); ok {
					name.Qualifier = sqlparser.TableName{}
				}
				return true, nil
			}, e)
		}
		if b.where, err = plan.BindRow(t, e); err != nil {
			return nil, err
		}
		if expr.HasAggregate(b.where) || !expr.Deterministic(b.where) {
			return nil, sqlerr.WrongTopic.New("The condition of a topic's source has to depend on the row alone")
		}
	}
	var key []int
	for _, c := range t.PrimaryKey {
		if !t.Columns[c].Hidden {
			key = append(key, c)
		}
	}
	if b.key, err = bindObject(t, key); err != nil {
		return nil, err
	}
	var all []int
	for i := range t.Columns {
		if !t.Columns[i].Hidden {
			all = append(all, i)
		}
	}
	b.full, err = bindObject(t, all)
	return b, err
}
