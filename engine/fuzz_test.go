package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// FuzzSQL runs texts on a small database: whatever they are, they give rows or
// one of Kalam's errors, and leave the database usable.
func FuzzSQL(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.test")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\n\n") {
			sql, _, _ := strings.Cut(block, "\n----")
			f.Add(sql)
		}
	}
	f.Fuzz(func(t *testing.T, sql string) {
		e := openMem(t, Config{MemoryBytes: 1 << 20, LockWait: time.Second})
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE, s VARCHAR(10), KEY k (s, n))")
		run(t, s, "INSERT INTO t (n, s) VALUES (1, 'a'), (2, NULL), (NULL, 'b')")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		rows, err := s.Query(ctx, sql, nil)
		for err == nil {
			b, e := rows.Next(ctx)
			if err = e; e == nil && b.Len == 0 {
				more, e := rows.NextResultSet(ctx)
				if err = e; !more {
					break
				}
			}
		}
		if rows != nil {
			rows.Close()
		}
		if err != nil && (sqlerr.As(err) == nil || errors.Is(err, sqlerr.Internal)) {
			t.Fatalf("%q: %v\n%v", sql, err, errors.Unwrap(err))
		}
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		query(t, s, "SELECT 1")
	})
}
