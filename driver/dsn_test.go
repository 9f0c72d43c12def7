package driver

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestParseDSN(t *testing.T) {
	t.Parallel()
	tests := []struct {
		dsn  string
		want Config
	}{
		{"app.kdb", Config{Path: "app.kdb"}},
		{"/var/lib/app data", Config{Path: "/var/lib/app data"}},
		{":memory:", Config{Memory: true}},
		{"file::memory:?user=bob", Config{Memory: true, User: "bob"}},
		{"file:app.kdb", Config{Path: "app.kdb"}},
		{"file:///srv/app.kdb", Config{Path: "/srv/app.kdb"}},
		{"file:a%3Fb", Config{Path: "a?b"}},
		{"file:c?mode=memory", Config{Path: "c", Memory: true}},
		{"file:a?user=u&namespace=n&sync=normal&readonly=true&create=false&cache_mb=64&mem_limit=8",
			Config{Path: "a", User: "u", Namespace: "n", Sync: SyncNormal, ReadOnly: true, MustExist: true, CacheMB: 64, MemLimit: 8 << 20}},
		{"file:a?mem_limit=64KB", Config{Path: "a", MemLimit: 64 << 10}},
		{"file:a?mem_limit=2gb", Config{Path: "a", MemLimit: 2 << 30}},
		{"file:a?mem_limit=1000B", Config{Path: "a", MemLimit: 1000}},
		{"file:a?lock_wait_timeout=3", Config{Path: "a", LockWait: 3 * time.Second}},
		{"file:a?lock_wait_timeout=250ms", Config{Path: "a", LockWait: 250 * time.Millisecond}},
		{"file:a?write_buffer_mb=8", Config{Path: "a", WriteBufferMB: 8}},
		{"file:a?sync=off&readonly=0&create=1", Config{Path: "a", Sync: SyncOff}},
		{"file:a?loc=UTC", Config{Path: "a", Loc: time.UTC}},
	}
	for _, tt := range tests {
		got, err := ParseDSN(tt.dsn)
		if err != nil {
			t.Errorf("ParseDSN(%q): %v", tt.dsn, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(sameZone)); diff != "" {
			t.Errorf("ParseDSN(%q): -want +got\n%s", tt.dsn, diff)
		}
		again, err := ParseDSN(got.FormatDSN())
		if err != nil {
			t.Errorf("ParseDSN(%q) of %q: %v", got.FormatDSN(), tt.dsn, err)
		} else if diff := cmp.Diff(got, again, cmp.Comparer(sameZone)); diff != "" {
			t.Errorf("%q formatted as %q reads back: -want +got\n%s", tt.dsn, got.FormatDSN(), diff)
		}
	}
}

func sameZone(a, b *time.Location) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String()
}

func TestParseDSNErrors(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"", "a\x00b", "app.kdb?user=x", "file:", "file:?user=x", "file:a?colour=red", "file:a?sync=often",
		"file:a?readonly=perhaps", "file:a?create=2", "file:a?loc=Atlantis/Capital", "file:a?cache_mb=0",
		"file:a?cache_mb=x", "file:a?mem_limit=0", "file:a?mem_limit=2000000", "file:a?mem_limit=64PB", "file:a?mem_limit=KB", "file:a?mem_limit=2048GB", "file:a?mode=rwc", "file:a?user=x&user=y", "file:a?user=", "file:a?user", "file:%zz", "file:a?user=%zz",
	} {
		if c, err := ParseDSN(dsn); !errors.Is(err, sqlerr.BadDSN) {
			t.Errorf("ParseDSN(%q) = %+v, %v; want a BadDSN error", dsn, c, err)
		}
	}
}

func FuzzParseDSN(f *testing.F) {
	for _, s := range []string{"app.kdb", ":memory:", "file:a?sync=off&loc=UTC", "file:////x?user=%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		c, err := ParseDSN(dsn)
		if err != nil {
			return
		}
		again, err := ParseDSN(c.FormatDSN())
		if err != nil {
			t.Fatalf("%q parses, its form %q does not: %v", dsn, c.FormatDSN(), err)
		}
		if diff := cmp.Diff(c, again, cmp.Comparer(sameZone)); diff != "" {
			t.Fatalf("%q formatted as %q: %s", dsn, c.FormatDSN(), diff)
		}
	})
}
