package engine

import (
	"fmt"
	"sync"
	"testing"
)

func BenchmarkPointSelect(b *testing.B) {
	for name, open := range databases {
		b.Run(name, func(b *testing.B) {
			s := newSession(b, open(b), SessionConfig{})
			numbers(b, s, "t", 10000)
			st, err := s.Prepare(b.Context(), "SELECT id, n FROM t WHERE id = ?")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				rows, err := st.Query(b.Context(), []Arg{intArg(int64(1 + i%10000))})
				if err != nil {
					b.Fatal(err)
				}
				if batch, err := rows.Next(b.Context()); err != nil || batch.Len != 1 {
					b.Fatal(err)
				}
				rows.Close()
			}
		})
	}
}

// The way of a statement without storage: plan cache, snapshot, one row.
func BenchmarkSelectConstant(b *testing.B) {
	s := newSession(b, openMem(b, Config{}), SessionConfig{})
	b.ReportAllocs()
	for b.Loop() {
		rows, err := s.Query(b.Context(), "SELECT 1", nil)
		if err != nil {
			b.Fatal(err)
		}
		rows.Close()
	}
}

func BenchmarkInsert(b *testing.B) {
	for name, open := range databases {
		b.Run(name, func(b *testing.B) {
			s := newSession(b, open(b), SessionConfig{Durability: NoSync})
			run(b, s, "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))")
			st, err := s.Prepare(b.Context(), "INSERT INTO t VALUES (?, ?)")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := st.Exec(b.Context(), []Arg{intArg(int64(i)), textArg(fmt.Sprint("name ", i))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Durable inserts of many sessions share the syncs of the log.
func BenchmarkDurableInsert(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			open := databases["rocks"]
			if open == nil {
				b.Skip("built without cgo")
			}
			e := open(b)
			run(b, newSession(b, e, SessionConfig{}), "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT)")
			var wg sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wg.Go(func() {
					s := newSession(b, e, SessionConfig{})
					for range b.N/clients + 1 {
						if _, err := s.Exec(b.Context(), "INSERT INTO t (n) VALUES (1)", nil); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
