package driver

import (
	"context"
	"database/sql"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// What backups and restores take and tell.
type (
	BackupOptions  = engine.BackupOptions
	BackupInfo     = engine.BackupInfo
	BackupProgress = engine.BackupProgress
	RestoreOptions = engine.RestoreOptions
)

// withConn calls f with a connection of db, which must be one of Kalam's.
func withConn(ctx context.Context, db *sql.DB, f func(*conn) error) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(of any) error {
		own, ok := of.(*conn)
		if !ok {
			return sqlerr.WrongArguments.New("the sql.DB is not one of Kalam's")
		}
		return own.check(f(own))
	})
}

// Backup is kalam.Backup.
func Backup(ctx context.Context, db *sql.DB, dir string, o BackupOptions) (info *BackupInfo, err error) {
	err = withConn(ctx, db, func(c *conn) error {
		info, err = c.engine.Backup(ctx, dir, o)
		return err
	})
	return info, err
}

// Restore is kalam.Restore.
func Restore(ctx context.Context, db *sql.DB, dir string, o RestoreOptions) error {
	return withConn(ctx, db, func(c *conn) error {
		_, err := c.session.Restore(ctx, dir, o)
		return err
	})
}

// RestoreTo is kalam.RestoreTo.
func RestoreTo(ctx context.Context, dir, path string, o RestoreOptions) error {
	// Nobody in this process opens the path meanwhile.
	enginesMu.Lock()
	defer enginesMu.Unlock()
	return engine.RestoreTo(ctx, dir, path, o)
}

// VerifyBackup is kalam.VerifyBackup.
func VerifyBackup(ctx context.Context, dir string, f func(BackupInfo, error)) error {
	return engine.VerifyBackup(ctx, dir, f)
}
