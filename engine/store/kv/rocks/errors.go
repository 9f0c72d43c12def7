//go:build cgo

package rocks

import (
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// failure turns a RocksDB status text into an error. RocksDB's C interface
// gives no code: the text starts with the kind and has the system's message.
func (db *DB) failure(status string) error {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(status, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("No space left on device", "Disk quota exceeded", "NoSpace", "Space limit reached"):
		return sqlerr.DiskFull.New("no room on the disk of database %q: %s", db.name(), status)
	case strings.HasPrefix(status, "Corruption"), has("No such file") && has(".sst", "MANIFEST", ".log"):
		return sqlerr.Corrupt.New("database %q is damaged: %s", db.name(), status)
	case strings.HasPrefix(status, "Shutdown in progress"):
		return errClosed()
	case strings.HasPrefix(status, "Not implemented: Not supported operation in read only mode"):
		return errReadOnly()
	}
	return sqlerr.StorageIO.New("storage of database %q: %s", db.name(), status)
}

// openFailure is failure for what can go wrong on opening only.
func (db *DB) openFailure(status string) error {
	switch {
	case strings.Contains(status, "/LOCK: "):
		if strings.Contains(status, "lock hold by current process") ||
			strings.Contains(status, "temporarily unavailable") || strings.Contains(status, "No locks available") {
			return errInUse(db.cfg.Path, 0)
		}
	case strings.Contains(status, "Column families not opened"):
		return errForeign(db.cfg.Path, status)
	}
	err := sqlerr.As(db.failure(status))
	if err.Kind == sqlerr.StorageIO {
		return sqlerr.CantOpen.New("cannot open database %q: %s", db.name(), status)
	}
	return err
}

// writable returns why the database takes no writes; nil: it does. The caller holds db.mu.
func (db *DB) writable() error {
	switch {
	case db.closed:
		return errClosed()
	case db.cfg.ReadOnly:
		return errReadOnly()
	}
	return nil
}

func errClosed() error { return sqlerr.Closed.New("the database is closed") }

func errReadOnly() error { return sqlerr.ReadOnly.New("the database is open for reading only") }

// errInUse names the process that holds the database, when pid isn't 0.
func errInUse(path string, pid int) error {
	const advice = "close it there first, or open it for reading only everywhere"
	if pid == 0 {
		return sqlerr.DatabaseInUse.New("database %q is already open; %s", path, advice)
	}
	return sqlerr.DatabaseInUse.New("database %q is in use by process %d; %s", path, pid, advice)
}

func errForeign(path, why string) error {
	return sqlerr.NotADatabase.New("%q is not a Kalam database: %s", path, why)
}
