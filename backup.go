package kalam

import (
	"context"
	"database/sql"

	"github.com/kalamgo/kalam/driver"
)

// What backups and restores take and tell.
type (
	BackupOptions  = driver.BackupOptions
	BackupInfo     = driver.BackupInfo
	BackupProgress = driver.BackupProgress
	RestoreOptions = driver.RestoreOptions
)

// Backup adds a backup of db, or of one of its namespaces, to a directory, as
// BACKUP DATABASE does. Reads and writes go on; the backup is of one moment. Files
// of a whole database that the directory has from an earlier backup are not
// copied again. Errors: ErrNotABackup for a directory that holds something else,
// ErrBackupInUse, ErrDiskFull, ErrInterrupted when ctx ends.
//
// When an info comes with an error, the backup is made, and an older one in the
// directory is damaged.
func Backup(ctx context.Context, db *sql.DB, dir string, o BackupOptions) (*BackupInfo, error) {
	return driver.Backup(ctx, db, dir, o)
}

// Restore puts what a backup has in the place of what db has, or of one
// namespace, as RESTORE DATABASE does: at once, after its checksums were compared.
// When it fails, or the program dies, all is as it was.
func Restore(ctx context.Context, db *sql.DB, dir string, o RestoreOptions) error {
	return driver.Restore(ctx, db, dir, o)
}

// RestoreTo makes a database at a path from a backup. With Replace it takes the
// place of a database that nobody has open, at once.
func RestoreTo(ctx context.Context, dir, path string, o RestoreOptions) error {
	return driver.RestoreTo(ctx, dir, path, o)
}

// VerifyBackup reads all of a directory's backups, the oldest first, and calls f
// with each and what is wrong with it, nil if nothing is.
func VerifyBackup(ctx context.Context, dir string, f func(BackupInfo, error)) error {
	return driver.VerifyBackup(ctx, dir, f)
}
