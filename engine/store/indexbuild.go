package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// IndexBuild makes the entries of new indexes of a table while others write to it.
//
// It goes through the rows in pieces. Each begins with a new snapshot: where rows
// that it has passed differ from those of the snapshot before, which it learns from
// commits, the entries of the old rows are removed and those of the new ones
// written. So the entries are at each moment those of one committed state, as far as
// the build has come. In the end writers have to be kept away for the last few
// changes only.
//
// It writes to the database as it goes, without waiting for the disk. The entries
// count once a commit makes the indexes part of the table, see Count; until then a
// crash leaves nothing behind for good, see Sweep.
type IndexBuild struct {
	build
	// Check, unless nil, is called with all rows, and those that others write; it may change
	// what it is given. Its error ends the build.
	Check func(rows *types.Batch) error
	watch *watch
	tx    *Tx    // the snapshot that the entries are of
	upto  []byte // the keys of rows before it have their entries
	done  bool   // all have
	piece int    // rows
}

const (
	pieceRows = 1 << 16 // are read from one snapshot, about
	// fewChanges are soon made up for; writers that are faster than the build wait
	// for it after maxRounds.
	fewChanges = 256
	maxRounds  = 8
)

// NewIndexBuild begins to build indexes of t. The build must be closed.
func NewIndexBuild(ctx context.Context, db *DB, t *schema.Table, indexes ...*schema.Index) (*IndexBuild, error) {
	if db.readOnly {
		return nil, errReadOnly()
	}
	l := db.layout(t)
	b := &IndexBuild{build: build{db: db, from: l, to: l}, piece: pieceRows}
	for _, ix := range indexes {
		d := l.newKeyDef(ix)
		b.defs, b.pending = append(b.defs, d), append(b.pending, pending{t.StorageID(), d.id})
	}
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	b.watch = db.watch(t)
	return b, nil
}

// Run builds until little is left to do for Finish. When an index is unique and two
// rows of a user share a key, the second is returned as a conflict's Existing.
func (b *IndexBuild) Run(ctx context.Context) (*Conflict, error) {
	for round := 0; round < maxRounds; {
		if conflict, err := b.step(ctx); conflict != nil || err != nil {
			return conflict, err
		}
		if b.done {
			if b.watch.pending() <= fewChanges {
				break
			}
			round++
		}
	}
	return nil, nil
}

// Finish builds what is left. Nobody may write to the table until the commit
// that makes the entries count. Conflicts are as Run's.
func (b *IndexBuild) Finish(ctx context.Context) (*Conflict, error) {
	for {
		if conflict, err := b.step(ctx); conflict != nil || err != nil || b.done {
			return conflict, err
		}
	}
}

// Count makes the entries count from tx's commit on.
func (b *IndexBuild) Count(tx *Tx) { b.count(tx) }

// Close ends the build. Unless keep is set, which it must be once the commit that
// was to make the entries count was tried, they are removed.
func (b *IndexBuild) Close(ctx context.Context, keep bool) error {
	b.watch.close()
	if b.tx != nil {
		b.tx.Close()
	}
	if keep {
		return nil
	}
	return b.discard(context.WithoutCancel(ctx))
}

// step brings the entries to the present state and builds a piece more.
func (b *IndexBuild) step(ctx context.Context) (*Conflict, error) {
	tx, changed, err := b.watch.next()
	if err != nil {
		return nil, err
	}
	old := b.tx
	b.tx = tx
	if old != nil {
		defer old.Close()
		if conflict, err := b.follow(ctx, old, b.passed(changed)); conflict != nil || err != nil {
			return conflict, err
		}
	}
	if b.done {
		return nil, nil
	}
	start := b.watch.all.start
	if b.upto != nil {
		start = b.upto
	}
	b.done = true
	left := b.piece
	return b.eachBatch(ctx, tx, []span{{start: start, end: b.watch.all.end}}, func(rows *types.Batch, updated, users *types.Vector) (*Conflict, error) {
		conflict, err := b.add(ctx, rows, updated, users)
		if conflict != nil || err != nil {
			return conflict, err
		}
		left -= rows.Len
		var key []byte
		if left <= 0 {
			key = b.prefix(nil, schema.PrimaryIndexID, users, rows.Len-1)
			if key, _, err = b.to.primary.appendKey(key, rows, rows.Len-1); err != nil {
				return nil, err
			}
		}
		if err := b.check(rows); err != nil || left > 0 {
			return nil, err
		}
		b.done, b.upto = false, append(key, 0)
		return nil, errEnough
	})
}

// passed returns the parts of spans before which the build has come.
func (b *IndexBuild) passed(spans []span) []span {
	if b.done {
		return spans
	}
	for i := range spans {
		if bytes.Compare(spans[i].start, b.upto) >= 0 {
			return spans[:i]
		}
		if bytes.Compare(spans[i].end, b.upto) > 0 {
			spans[i].end = b.upto
		}
	}
	return spans
}

// follow replaces the entries of old rows in spans by those of the rows of now.
func (b *IndexBuild) follow(ctx context.Context, old *Tx, spans []span) (*Conflict, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	var key []byte
	conflict, err := b.eachBatch(ctx, old, spans, func(rows *types.Batch, _, users *types.Vector) (*Conflict, error) {
		for d := range b.defs {
			for i := range rows.Len {
				var err error
				if key, _, err = b.defs[d].appendKey(b.prefix(key, b.defs[d].id, users, i), rows, i); err != nil {
					return nil, b.to.inKey(err, &b.defs[d])
				}
				b.batch.Delete(spaceOf(b.to.t), key)
			}
		}
		if len(b.batch.Bytes()) >= buildBytes {
			return nil, b.flush(ctx)
		}
		return nil, nil
	})
	if conflict != nil || err != nil {
		return conflict, err
	}
	return b.eachBatch(ctx, b.tx, spans, func(rows *types.Batch, updated, users *types.Vector) (*Conflict, error) {
		conflict, err := b.add(ctx, rows, updated, users)
		if conflict != nil || err != nil {
			return conflict, err
		}
		return nil, b.check(rows)
	})
}

func (b *IndexBuild) check(rows *types.Batch) error {
	if b.Check == nil {
		return nil
	}
	return b.Check(rows)
}

// eachBatch calls f with the rows in spans of keys, until it fails, or with
// errEnough has enough. It writes what is left of the batch in the end.
func (b *IndexBuild) eachBatch(ctx context.Context, tx *Tx, spans []span,
	f func(rows *types.Batch, updated, users *types.Vector) (*Conflict, error)) (*Conflict, error) {
	s := b.scanner(tx, false)
	defer s.Close()
	s.s.spans = spans
	conflict, err := b.eachScanned(ctx, s, f)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if conflict == nil && err == nil {
		err = b.flush(ctx)
	}
	return conflict, err
}

// BuildIndexes builds indexes of t, which count from tx's commit on. Nobody may
// write to the table meanwhile. When it returns an error or a conflict nothing is left.
func BuildIndexes(ctx context.Context, tx *Tx, t *schema.Table, indexes ...*schema.Index) (conflict *Conflict, err error) {
	b, err := NewIndexBuild(ctx, tx.db, t, indexes...)
	if err != nil {
		return nil, err
	}
	conflict, err = b.Finish(ctx)
	done := conflict == nil && err == nil
	if done {
		b.Count(tx)
	}
	if e := b.Close(ctx, done); err == nil {
		err = e
	}
	return conflict, err
}
