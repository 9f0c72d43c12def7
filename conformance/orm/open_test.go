package orm

import (
	"database/sql"
	"path/filepath"
	"reflect"
	"testing"

	_ "github.com/kalamgo/kalam/driver"
)

// open returns an empty database on disk, as a program would have it.
func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", filepath.Join(t.TempDir(), "app.kdb"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
