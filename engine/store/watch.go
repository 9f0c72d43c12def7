package store

import (
	"slices"
	"sync"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// commits are the commits under way, and those who want to know what they change.
type commits struct {
	mu       sync.Mutex
	underWay []*Tx // buffers stay as they are meanwhile
	watches  []*watch
}

// begin is called before a commit writes, end afterwards, whether or not it did.
func (c *commits) begin(tx *Tx) {
	c.mu.Lock()
	c.underWay = append(c.underWay, tx)
	c.mu.Unlock()
}

func (c *commits) end(tx *Tx) {
	c.mu.Lock()
	for _, w := range c.watches {
		w.note(tx)
	}
	c.underWay = slices.DeleteFunc(c.underWay, func(o *Tx) bool { return o == tx })
	c.mu.Unlock()
}

// watch notes which rows of a table commits change, in bounded memory.
type watch struct {
	db      *DB
	space   kv.Space
	all     span // of the keys of rows
	table   uint32
	changed readSet
}

// watch begins to note changes. The first call of next returns what changes are
// noted from.
func (db *DB) watch(t *schema.Table) *watch {
	prefix := appendPrefix(nil, t.StorageID(), schema.PrimaryIndexID, nil)
	w := &watch{db: db, space: spaceOf(t), table: t.StorageID(), all: span{start: prefix, end: edge(prefix, true)}}
	db.commits.mu.Lock()
	defer db.commits.mu.Unlock()
	db.commits.watches = append(db.commits.watches, w)
	return w
}

func (w *watch) close() {
	c := &w.db.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = slices.DeleteFunc(c.watches, func(o *watch) bool { return o == w })
}

// next returns a new snapshot, and where it may differ from the one before: spans
// in order, apart from one another.
func (w *watch) next() (*Tx, []span, error) {
	c := &w.db.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	// Who is under way may be seen already, or not yet: it counts now, and again
	// once it ends.
	for _, tx := range c.underWay {
		w.note(tx)
	}
	tx, err := w.db.Begin()
	if err != nil {
		return nil, nil, err
	}
	changed := w.changed
	w.changed = readSet{}
	changed.finish()
	return tx, changed.spans, nil
}

// pending returns how many changes have been noted since next, about.
func (w *watch) pending() int {
	w.db.commits.mu.Lock()
	defer w.db.commits.mu.Unlock()
	return len(w.changed.spans)
}

// note adds what tx has written to the changes. The caller holds commits.mu.
func (w *watch) note(tx *Tx) {
	if tx.buffer.Spilled() {
		if slices.Contains(tx.tables, w.table) {
			w.changed.add(w.all, maxSpans)
		}
		return
	}
	tx.buffer.Within(w.space, w.all.start, w.all.end, func(start, end []byte) {
		w.changed.add(span{start: start, end: end}, maxSpans)
	})
	for _, p := range tx.loaded {
		if p.table == w.table {
			w.changed.add(p.span(), maxSpans)
		}
	}
}
