package driver_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	kalam "github.com/kalamgo/kalam/driver"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestMemoryIsOneDatabaseForAPool(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	db.SetMaxIdleConns(0) // every use is a new connection
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { exec(t, db, "INSERT INTO t VALUES (?)", i) })
	}
	wg.Wait()
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 20 {
		t.Errorf("%d rows, want 20", n)
	}
	other := memory(t)
	_, err := other.Exec("SELECT * FROM t")
	wantKind(t, err, sqlerr.NoSuchTable)
}

func TestNamedMemoryIsShared(t *testing.T) {
	t.Parallel()
	dsn := "file:" + t.Name() + "?mode=memory"
	a, b := open(t, dsn), open(t, dsn)
	exec(t, a, "CREATE TABLE t (a INT)")
	exec(t, b, "INSERT INTO t VALUES (1)")
	if n := one[int](t, a, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestOnePathOneEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app.kdb")
	a := open(t, path)
	exec(t, a, "CREATE TABLE t (a INT)")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{path, "file:" + path, filepath.Join(dir, ".", "app.kdb"), link, "file:" + path + "?readonly=true"} {
		b, err := sql.Open("kalam", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if n := one[int](t, b, "SELECT COUNT(*) FROM t"); n != 0 {
			t.Errorf("%s: %d rows", dsn, n)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	exec(t, a, "INSERT INTO t VALUES (1)") // still open
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.kdb")
	for i := range 3 {
		db, err := sql.Open("kalam", path)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "CREATE TABLE IF NOT EXISTS t (a INT)")
		exec(t, db, "INSERT INTO t VALUES (?)", i)
		if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != i+1 {
			t.Errorf("%d rows, want %d", n, i+1)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		dsn  string
		kind *sqlerr.Kind
	}{
		{file, sqlerr.CantOpen},
		{foreign, sqlerr.NotADatabase},
		{"file:" + filepath.Join(dir, "none") + "?create=false", sqlerr.NoSuchDatabase},
		{"file:" + filepath.Join(dir, "none") + "?readonly=true", sqlerr.NoSuchDatabase},
	}
	for _, tt := range tests {
		db := open(t, tt.dsn)
		wantKind(t, db.Ping(), tt.kind)
	}
	if _, err := sql.Open("kalam", "file:a?colour=red"); !errors.Is(err, sqlerr.BadDSN) {
		t.Errorf("unknown option: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Error("a refused database was made")
	}
	if b, err := os.ReadFile(filepath.Join(foreign, "notes.txt")); err != nil || string(b) != "mine" {
		t.Error("a foreign directory was touched")
	}
}

func TestConnector(t *testing.T) {
	t.Parallel()
	c, err := kalam.NewConnector(kalam.Config{Memory: true, Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	if got := one[string](t, db, "SELECT DATABASE()"); got != "default" {
		t.Errorf("DATABASE() is %q", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(t.Context()); !errors.Is(err, sqlerr.Closed) {
		t.Errorf("Connect after Close: %v", err)
	}
	for _, bad := range []kalam.Config{{}, {Memory: true, Sync: 9}, {Memory: true, CacheMB: -1}, {Memory: true, CacheMB: 1 << 30}, {Memory: true, MemLimit: -1}} {
		if _, err := kalam.NewConnector(bad); !errors.Is(err, sqlerr.BadDSN) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.kdb")
	rw := open(t, path)
	exec(t, rw, "CREATE TABLE t (a INT)")
	if err := rw.Close(); err != nil {
		t.Fatal(err)
	}
	ro := open(t, "file:"+path+"?readonly=true")
	for _, query := range []string{"INSERT INTO t VALUES (1)", "CREATE TABLE u (a INT)", "DROP TABLE t", "UPDATE t SET a = 1", "DELETE FROM t"} {
		_, err := ro.Exec(query)
		wantKind(t, err, sqlerr.ReadOnly)
	}
	if n := one[int](t, ro, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
	wantKind(t, open(t, path).Ping(), sqlerr.DatabaseInUse)
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := db.Prepare("SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("Ping after Close")
	}
	if _, err := stmt.Exec(); err == nil {
		t.Error("Exec after Close")
	}
}

// Databases that were opened and closed, or failed to open, leave no
// goroutines and no memory, Go's or RocksDB's.
func TestNothingLeft(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cycle := func(dsn string) {
		db, err := sql.Open("kalam", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if dsn != file {
			exec(t, db, "CREATE TABLE IF NOT EXISTS t (a INT PRIMARY KEY, b VARCHAR(100))")
			exec(t, db, "REPLACE INTO t VALUES (1, 'x'), (2, 'y')")
			rows, err := db.Query("SELECT * FROM t ORDER BY b")
			if err != nil {
				t.Fatal(err)
			}
			rows.Next()
			rows.Close()
		} else if err := db.Ping(); err == nil {
			t.Fatal("a file was opened")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cycles := func(n int) {
		for range n {
			cycle(filepath.Join(dir, "app.kdb"))
			cycle(":memory:")
			cycle(file)
		}
	}
	cycles(5) // what is kept for good is there now
	goroutines, memory := runtime.NumGoroutine(), residentBytes(t)
	cycles(40)
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	// One forgotten block cache or write buffer a cycle would be far more.
	if grown := residentBytes(t) - memory; grown > 40<<20 {
		t.Errorf("the process grew by %d MB in 80 databases", grown>>20)
	}
}

// residentBytes returns the process's memory, RocksDB's included, after a
// collection of Go's.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc on this machine")
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// A connection whose engine is gone is not used again.
func TestBadConnections(t *testing.T) {
	t.Parallel()
	connector, err := kalam.NewConnector(kalam.Config{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !conn.(driver.Validator).IsValid() {
		t.Error("a new connection is not valid")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.(driver.QueryerContext).QueryContext(t.Context(), "SELECT 1", nil); !errors.Is(err, sqlerr.Closed) {
		t.Errorf("a query on a closed connection: %v", err)
	}
	if conn.(driver.Validator).IsValid() {
		t.Error("a closed connection is valid")
	}
	if err := conn.(driver.SessionResetter).ResetSession(t.Context()); !errors.Is(err, driver.ErrBadConn) {
		t.Errorf("reset of a closed connection: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := connector.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFlags checks that who imports the driver may define any flag.
func TestFlags(t *testing.T) {
	for _, name := range []string{"v", "vmodule", "logtostderr", "log_dir"} {
		if f := flag.Lookup(name); f != nil {
			t.Errorf("flag -%s is there: %s", name, f.Usage)
		}
	}
	if flag.Lookup("test.v") == nil {
		t.Error("a flag of others is gone")
	}
}
