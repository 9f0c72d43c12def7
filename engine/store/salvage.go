//go:build cgo

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/rocks"
)

// OpenSalvage opens the database in dir, which may be damaged, for reading what is
// readable. It works on a copy that it makes at work, which must not exist and is the
// caller's to remove; table files are linked where that is possible. What can't be read
// is reported as it is met.
func OpenSalvage(dir, work string, report func(what string)) (*DB, error) {
	damaged, err := openDamaged(dir, work, asItIs, report)
	for _, how := range []howToOpen{repaired, withoutOthers} {
		if err == nil {
			break
		}
		report(err.Error())
		if err := os.RemoveAll(work); err != nil {
			return nil, err
		}
		damaged, err = openDamaged(dir, work, how, report)
	}
	if err != nil {
		return nil, err
	}
	tolerant := kv.Tolerant(damaged, func(d kv.Damage) {
		to := "the end"
		if d.To != nil {
			to = fmt.Sprintf("%x", d.To)
		}
		report(fmt.Sprintf("keys of %v from %x to %s can't be read: %v", d.Space, d.From, to, d.Cause))
	})
	db := &DB{kv: tolerant, readOnly: true, values: zeroValues{}, layouts: map[uint32]*layout{}, salvaged: report}
	db.segments.cache.budget = defaultSegmentBytes
	if err := db.loadSegments(context.Background()); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// howToOpen says how to open a damaged database.
type howToOpen int

const (
	asItIs        howToOpen = iota // without table files that are broken; no others may be there
	repaired                       // after RocksDB has made a new manifest
	withoutOthers                  // as it is, whatever else there is
)

// openDamaged opens a copy of a database. Table files that the manifest does not know are left
// by a crash, or it was cut off.
func openDamaged(dir, work string, how howToOpen, report func(string)) (kv.DB, error) {
	if err := copyFiles(dir, work); err != nil {
		return nil, sqlerr.CantOpen.Wrap(err, "cannot copy database %q: %v", dir, err)
	}
	db, err := rocks.Open(rocks.Config{Path: work, Salvage: true, Repair: how == repaired, Damaged: func(err error) { report(err.Error()) }})
	if err != nil || how == repaired {
		return db, err
	}
	whole := how == withoutOthers || rocks.NotedWhole(dir)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	for _, f := range tables {
		name := filepath.Base(f)
		if db.(*rocks.DB).Uses(name) {
			continue
		}
		unknown := sqlerr.Corrupt.New("the manifest of database %q does not have table file %s", dir, name)
		if !whole {
			err = unknown
		} else {
			report(unknown.Error())
		}
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// copyFiles makes a directory with the files of another one.
func copyFiles(from, to string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range list {
		if !e.Type().IsRegular() || e.Name() == "LOCK" || strings.HasPrefix(e.Name(), "LOG") {
			continue
		}
		a, b := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		// Table files are never changed.
		if filepath.Ext(e.Name()) == ".sst" && os.Link(a, b) == nil {
			continue
		}
		if err := copyFile(a, b); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
