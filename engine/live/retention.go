package live

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Restore goes on with the logs that the database had when it was closed, of tables
// that there still are: whoever was subscribed may come back.
func (h *Hub) Restore(ctx context.Context, tables []*schema.Table) error {
	for _, storage := range h.db.Logs() {
		if !slices.ContainsFunc(tables, func(t *schema.Table) bool { return t.StorageID() == storage }) {
			if err := h.db.StopLog(ctx, storage); err != nil {
				return err
			}
			continue
		}
		h.mu.Lock()
		_, _, err := h.capture(ctx, storage)
		h.mu.Unlock()
		if err != nil {
			return err
		}
	}
	for _, t := range tables {
		if err := h.Keep(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// capture begins to log a table, unless that is done, and returns the last commit that the
// log has, which may not have been dispatched yet. The caller holds h.mu, and no commit on
// the table is under way.
func (h *Hub) capture(ctx context.Context, storage uint32) (t *table, last uint64, err error) {
	if !h.readOnly {
		if last, err = h.db.StartLog(ctx, storage, h.txns.NextSeq); err != nil {
			return nil, 0, err
		}
	}
	if t = h.tables[storage]; t != nil {
		return t, last, nil
	}
	if !h.readOnly {
		h.txns.Capture(storage, true)
	}
	t = &table{storage: storage, last: last, idle: time.Now()}
	h.tables[storage] = t
	return t, last, nil
}

// Keep implements service.LiveQueries.
func (h *Hub) Keep(ctx context.Context, t *schema.Table) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	storage := t.StorageID()
	keep := time.Duration(t.Options.ChangeHours) * time.Hour
	kept := h.tables[storage]
	if kept == nil && keep > 0 {
		var err error
		if kept, _, err = h.capture(ctx, storage); err != nil {
			return err
		}
	}
	if kept != nil {
		if kept.keep > 0 && keep == 0 {
			kept.idle = time.Now()
		}
		kept.keep = keep
		kept.most = t.Options.ChangeMB << 20
		h.db.LimitLog(storage, kept.room(h.db.LogBytes()))
	}
	return nil
}

// Trim removes the changes that were kept for long enough, and ends the logs of tables to
// which nobody has subscribed for as long.
func (h *Hub) Trim(ctx context.Context, now time.Time) error {
	h.mu.Lock()
	var list []*table
	for _, t := range h.tables {
		list = append(list, t)
	}
	h.mu.Unlock()
	for _, t := range list {
		if err := h.trim(ctx, t, now); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) trim(ctx context.Context, t *table, now time.Time) error {
	h.mu.Lock()
	before, last := now.Add(-t.retention(h.retention)), t.last
	h.mu.Unlock()
	unused := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return t.subs == 0 && t.keep == 0 && len(t.pins) == 0 && t.idle.Before(before)
	}
	if !unused() {
		return h.db.TrimLog(ctx, t.storage, before, last)
	}
	_, err := h.txns.Between(ctx, t.storage, func() error {
		if !unused() {
			return nil
		}
		h.txns.Capture(t.storage, false)
		h.mu.Lock()
		delete(h.tables, t.storage)
		h.mu.Unlock()
		return h.db.StopLog(ctx, t.storage)
	})
	return err // a commit that takes long puts it off
}

// Pin begins to keep a table's changes for whoever by names, or keeps them otherwise. The
// changes of commits after number seq are kept.
func (h *Hub) Pin(ctx context.Context, storage uint32, by string, p Pin) (seq uint64, err error) {
	pin := func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.closed {
			return errClosed()
		}
		var t *table
		if t, seq, err = h.capture(ctx, storage); err != nil {
			return err
		}
		if t.pins == nil {
			t.pins = map[string]Pin{}
		}
		t.pins[by] = p
		h.db.LimitLog(storage, t.room(h.db.LogBytes()))
		return nil
	}
	for {
		if err := h.txns.Settle(ctx, storage); err != nil {
			return 0, err
		}
		if ok, err := h.txns.Between(ctx, storage, pin); ok || err != nil {
			return seq, err
		}
	}
}

// Unpin takes back a Pin.
func (h *Hub) Unpin(storage uint32, by string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tables[storage]; t != nil && len(t.pins) > 0 {
		delete(t.pins, by)
		t.idle = time.Now()
		h.db.LimitLog(storage, t.room(h.db.LogBytes()))
	}
}

// named returns sqlerr.TableWatched if a column has to keep its name.
func (h *Hub) named(t *schema.Table, c *schema.Column) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.tables[t.StorageID()]
	if kept == nil {
		return nil
	}
	for _, by := range slices.Sorted(maps.Keys(kept.pins)) {
		if slices.Contains(kept.pins[by].Names, c.ID) {
			return sqlerr.TableWatched.New("Cannot rename column '%s' of table '%s': it is in the condition of a source of %s", c.Name, t.QualifiedName(), by).On(t.QualifiedName())
		}
	}
	return nil
}

// pinned returns sqlerr.TableWatched if a table is pinned.
func (h *Hub) pinned(t *schema.Table, what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.tables[t.StorageID()]
	if kept == nil || len(kept.pins) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(kept.pins))
	return sqlerr.TableWatched.New("Cannot %s: it is a source of %s", what, strings.Join(names, ", ")).On(t.QualifiedName())
}
