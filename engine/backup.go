package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/backup"
	"github.com/kalamgo/kalam/engine/types"
)

// BackupProgress tells how far a backup or restore is.
type BackupProgress = backup.Progress

// BackupOptions say what to back up.
type BackupOptions struct {
	Namespace string // "": the whole database
	Keep      int    // how many backups stay in the directory; 0: all
	Progress  func(BackupProgress)
}

// BackupInfo describes a backup.
type BackupInfo struct {
	Number    int
	Namespace string // "": a whole database
	Created   time.Time
	Files     int
	Bytes     int64

	CopiedFiles int // of Backup: the rest was in the directory already
	CopiedBytes int64
}

// RestoreOptions say what to restore.
type RestoreOptions struct {
	Namespace string // "": all that is in the backup
	Number    int    // of the backup; 0: the last
	Replace   bool   // of RestoreTo: take the place of a database that is there
	Progress  func(BackupProgress)
}

func infoOf(m *backup.Manifest) BackupInfo {
	return BackupInfo{Number: m.Number, Namespace: m.Namespace, Created: m.Created, Files: len(m.Files), Bytes: m.Bytes()}
}

// Backup adds a backup of the database, or of a namespace, as it is at one
// moment, to a directory, while everybody goes on. Files of a whole database
// that are in the directory already are not copied again. It needs room for
// links to the database's files or, for a namespace, for its copy.
func (e *Engine) Backup(ctx context.Context, dir string, o BackupOptions) (*BackupInfo, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	d, err := backup.Open(dir, true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	work, err := os.MkdirTemp(e.tempDir, "kalam-backup-")
	if err != nil {
		return nil, sqlerr.StorageIO.Wrap(err, "Can't make a temporary directory: %v", err)
	}
	defer os.RemoveAll(work)
	copied := filepath.Join(work, "copy")
	m := backup.Manifest{Namespace: o.Namespace}
	if o.Namespace == "" && !e.cfg.InMemory {
		m.Source, err = e.db.Checkpoint(ctx, copied)
	} else {
		err = e.export(ctx, copied, o.Namespace)
	}
	if err != nil {
		return nil, err
	}
	r, err := d.Create(ctx, copied, m, o.Progress)
	if err != nil {
		return nil, err
	}
	info := infoOf(&r.Manifest)
	info.CopiedFiles, info.CopiedBytes = r.CopiedFiles, r.CopiedBytes
	return &info, d.Purge(o.Keep)
}

// export makes a database of a namespace, or of all.
func (e *Engine) export(ctx context.Context, path, namespace string) error {
	to, err := store.Open(store.Config{Path: path, Create: true})
	if err != nil {
		return err
	}
	err = e.catalog.Export(ctx, to, namespace, nil)
	return errors.Join(err, to.Close())
}

// Restore puts what a backup has in the place of the namespaces here, or of one,
// in one commit. Statements that run see the old tables or the new ones.
func (s *Session) Restore(ctx context.Context, dir string, o RestoreOptions) ([]service.Restored, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	return s.restore(ctx, dir, o)
}

func (s *Session) restore(ctx context.Context, dir string, o RestoreOptions) ([]service.Restored, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	if err := s.commit(ctx); err != nil {
		return nil, err
	}
	d, m, err := openBackup(dir, o.Number)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	work, err := os.MkdirTemp(s.engine.tempDir, "kalam-restore-")
	if err != nil {
		return nil, sqlerr.StorageIO.Wrap(err, "Can't make a temporary directory: %v", err)
	}
	defer os.RemoveAll(work)
	copied := filepath.Join(work, "copy")
	if err := d.Extract(ctx, m, copied, o.Progress); err != nil {
		return nil, err
	}
	from, err := store.Open(store.Config{Path: copied, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if o.Namespace == "" {
		o.Namespace = m.Namespace
	}
	var list []service.Restored
	err = s.engine.topics.Import(ctx, func(also func(service.Moved) error) error {
		list, err = s.engine.catalog.Import(ctx, s.scope(), from, o.Namespace, also, nil)
		return err
	})
	return list, err
}

func openBackup(dir string, number int) (*backup.Dir, *backup.Manifest, error) {
	d, err := backup.Open(dir, false)
	if err != nil {
		return nil, nil, err
	}
	m, err := d.Manifest(number)
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return d, m, nil
}

// RestoreTo makes a database of a backup. The path must not exist, or with
// Replace hold a database that nobody has open. A crash leaves the old database
// or the new one.
func RestoreTo(ctx context.Context, dir, path string, o RestoreOptions) error {
	if o.Namespace != "" {
		return sqlerr.Unsupported("making a database of one namespace of a backup")
	}
	d, m, err := openBackup(dir, o.Number)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = os.Stat(path)
	exists := err == nil
	switch {
	case exists && !o.Replace:
		return sqlerr.CantOpen.New("%q exists", path)
	case exists:
		if err := closedDatabase(path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return sqlerr.CantOpen.Wrap(err, "%v", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(filepath.Clean(path)), ".kalam-restore-")
	if err != nil {
		return sqlerr.CantOpen.Wrap(err, "cannot restore to %q: %v", path, err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "db")
	if err := d.Extract(ctx, m, made, o.Progress); err != nil {
		return err
	}
	// It must open before it takes another's place.
	db, err := store.Open(store.Config{Path: made, ReadOnly: true})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return err
	}
	if exists {
		err = exchange(made, path)
	} else {
		err = os.Rename(made, path)
	}
	if err != nil {
		return sqlerr.CantOpen.Wrap(err, "cannot restore to %q: %v", path, err)
	}
	return nil
}

// closedDatabase checks that path holds a database, perhaps a damaged one, that
// nobody has open.
func closedDatabase(path string) error {
	db, err := store.Open(store.Config{Path: path})
	if e := sqlerr.As(err); e != nil && (e.Kind == sqlerr.Corrupt || e.Kind == sqlerr.NewerFormat) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.Close()
}

// VerifyBackup reads all files of a directory's backups, the oldest first, and
// calls f with each and what is wrong with it.
func VerifyBackup(ctx context.Context, dir string, f func(BackupInfo, error)) error {
	d, err := backup.Open(dir, false)
	if err != nil {
		return err
	}
	defer d.Close()
	numbers, err := d.Numbers()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		info := BackupInfo{Number: n}
		m, err := d.Manifest(n)
		if err == nil {
			info = infoOf(m)
			err = d.Verify(ctx, m, nil)
		}
		if err := interrupted(ctx); err != nil {
			return err
		}
		f(info, err)
	}
	return nil
}

// copies runs BACKUP, RESTORE and VERIFY BACKUP.
func (s *Session) copies(ctx context.Context, st *parse.Statement) (*resultSet, error) {
	var rows [][]types.Value
	switch n := st.AST.(type) {
	case *parse.Backup:
		info, err := s.engine.Backup(ctx, n.Dir, BackupOptions{Namespace: n.Namespace, Keep: n.Keep})
		if info == nil {
			return nil, err
		}
		if err != nil {
			s.warn(err) // the backup is made; an older one is damaged
		}
		rows = append(rows, []types.Value{types.NewInt(int64(info.Number)), types.NewInt(int64(info.Files)), types.NewInt(info.Bytes), types.NewInt(info.CopiedBytes)})
		return s.listing(rows, intColumn("Backup"), intColumn("Files"), intColumn("Bytes"), intColumn("Copied_bytes")), nil
	case *parse.Restore:
		list, err := s.restore(ctx, n.Dir, RestoreOptions{Namespace: n.Namespace, Number: n.Number})
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			rows = append(rows, []types.Value{types.NewString(r.Namespace), types.NewInt(int64(r.Tables))})
		}
		return s.listing(rows, textColumn("Database"), intColumn("Tables")), nil
	}
	err := VerifyBackup(ctx, st.AST.(*parse.VerifyBackup).Dir, func(b BackupInfo, err error) {
		status := "OK"
		if e := sqlerr.As(err); e != nil {
			status = e.Message
		}
		rows = append(rows, []types.Value{types.NewInt(int64(b.Number)), types.NewString(b.Namespace), types.NewInt(int64(b.Files)), types.NewInt(b.Bytes), types.NewString(status)})
	})
	if err != nil {
		return nil, err
	}
	return s.listing(rows, intColumn("Backup"), textColumn("Database"), intColumn("Files"), intColumn("Bytes"), textColumn("Status")), nil
}
