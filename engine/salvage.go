package engine

import (
	"context"
	"errors"
	"os"

	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// Salvaged says what Salvage saved.
type Salvaged struct {
	Tables int
	Rows   int64
}

// Salvage makes a new database at out of what can be read of a damaged one, which it
// does not change and nobody may have open. What is lost is reported line by line.
func Salvage(ctx context.Context, dir, out string, report func(what string)) (s Salvaged, err error) {
	if _, err := os.Stat(out); err == nil {
		return s, sqlerr.CantOpen.New("%q exists", out)
	}
	work := out + ".salvage"
	defer os.RemoveAll(work)
	from, err := store.OpenSalvage(dir, work, report)
	if err != nil {
		return s, err
	}
	to, err := store.Open(store.Config{Path: out, Create: true})
	if err != nil {
		return s, errors.Join(err, from.Close())
	}
	s.Tables, err = service.Salvage(ctx, from, to, report)
	if err = errors.Join(err, from.Close(), to.Close()); err != nil {
		return s, err
	}
	e, err := Open(ctx, Config{Path: out})
	if err != nil {
		return s, err
	}
	s.Rows, err = e.repairAll(ctx, report)
	return s, errors.Join(err, e.Close())
}

// repairAll repairs all tables and returns how many rows they have.
func (e *Engine) repairAll(ctx context.Context, report func(string)) (rows int64, err error) {
	session, err := e.newSession(SessionConfig{User: SystemUser}) // whatever password it has
	if err != nil {
		return 0, err
	}
	defer session.Close()
	list, _, err := e.catalog.AllTables(ctx, "", false)
	if err != nil {
		return 0, err
	}
	for _, t := range list {
		messages, err := e.catalog.RepairTable(ctx, session.scope(), t)
		if err != nil {
			return rows, err
		}
		for _, m := range messages {
			if m.Text != "OK" {
				report(m.Table + ": " + m.Text)
			}
		}
		n, err := e.catalog.CountRows(ctx, t)
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}
