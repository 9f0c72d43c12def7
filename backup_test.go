package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/kalamgo/kalam"
)

func TestBackup(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	open := func(name string) *sql.DB {
		t.Helper()
		db, err := sql.Open("kalam", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db := open("one")
	if _, err := db.Exec("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "backup")
	calls := 0
	info, err := kalam.Backup(ctx, db, to, kalam.BackupOptions{Progress: func(kalam.BackupProgress) { calls++ }})
	if err != nil || info.Number != 1 || info.Bytes == 0 || info.CopiedBytes != info.Bytes || calls == 0 {
		t.Errorf("%+v, %d calls, %v", info, calls, err)
	}
	for _, s := range []string{"DELETE FROM t", "CREATE TABLE u (a INT)"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := kalam.Restore(ctx, db, to, kalam.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := kalam.RestoreTo(ctx, to, filepath.Join(dir, "two"), kalam.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		var n, tables int
		if err := open(name).QueryRow("SELECT SUM(a), (SELECT COUNT(*) FROM system.tables) FROM t").Scan(&n, &tables); err != nil || n != 1 || tables != 1 {
			t.Errorf("%s: %d, %d, %v", name, n, tables, err)
		}
	}
	if err := kalam.RestoreTo(ctx, to, filepath.Join(dir, "one"), kalam.RestoreOptions{Replace: true}); !errors.Is(err, kalam.ErrDatabaseInUse) {
		t.Error(err)
	}
	err = kalam.VerifyBackup(ctx, to, func(b kalam.BackupInfo, err error) {
		if b.Number != 1 || err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := kalam.Backup(cancelled, db, to, kalam.BackupOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := kalam.Backup(ctx, db, filepath.Join(dir, "one"), kalam.BackupOptions{}); !errors.Is(err, kalam.ErrNotABackup) {
		t.Error(err)
	}
}
