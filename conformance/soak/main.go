// Command soak works on a database for a while and watches what the process
// takes: memory, open files and goroutines must not grow.
//
//	go run ./conformance/soak [-for 10m] [-large ROWS] [-limit MiB] [-dir DIR]
//
// Reads, writes, transactions, definitions, snapshots that are held long and
// statements that are cancelled run side by side on tables of bounded size. With -large that many
// rows are written by INSERT … SELECT and LOAD DATA instead, each in one transaction, and the
// process must not take more memory than -limit. The last line
// counts checks: "N passed, N failed". The exit status is 1 when one failed.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/kalamgo/kalam/driver"
)

func main() {
	duration := flag.Duration("for", 10*time.Minute, "how long")
	rows := flag.Int("large", 0, "write so many rows in one transaction instead")
	limit := flag.Int64("limit", defaultLimit, "of memory with -large, in MiB")
	dir := flag.String("dir", "", "where the database goes; default: a temporary directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path := *dir
	if path == "" {
		var err error
		if path, err = os.MkdirTemp("", "kalam-soak-"); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			os.Exit(2)
		}
		defer os.RemoveAll(path)
	}
	work := func() (int, error) { return soak(ctx, os.Stdout, path, *duration) }
	if *rows > 0 {
		work = func() (int, error) { return large(ctx, os.Stdout, path, *rows, *limit<<20) }
	}
	failed, err := work()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// defaultLimit is what docs/transactions.md promises.
const defaultLimit = 640

// sample is what the process takes at one moment.
type sample struct {
	resident, heap, disk int64 // bytes
	files, goroutines    int64
}

func takeSample(path string) sample {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{heap: int64(m.HeapInuse), goroutines: int64(runtime.NumGoroutine())}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			s.resident = pages * int64(os.Getpagesize())
		}
	}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.files = int64(len(list))
	}
	filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				s.disk += info.Size()
			}
		}
		return nil
	})
	return s
}

// soak works for a while and returns how many checks failed.
func soak(ctx context.Context, out io.Writer, dir string, duration time.Duration) (failed int, err error) {
	before := takeSample(dir)
	path := filepath.Join(dir, "soak.kdb")
	db, err := sql.Open("kalam", "file:"+path+"?sync=normal&write_buffer_mb=4&cache_mb=16")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	w, err := newWork(db)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	w.start()
	var samples []sample
	interval := max(duration/60, 200*time.Millisecond)
	for time.Since(begin) < duration && ctx.Err() == nil {
		time.Sleep(interval)
		debug.FreeOSMemory() // what is left is in use
		s := takeSample(path)
		samples = append(samples, s)
		if len(samples)%6 == 0 {
			fmt.Fprintf(out, "%4.0f s: %d statements, %d MiB resident, %d MiB of Go, %d MiB on disk, %d files, %d goroutines\n",
				time.Since(begin).Seconds(), w.statements.Load(), s.resident>>20, s.heap>>20, s.disk>>20, s.files, s.goroutines)
		}
	}
	errs := w.stop()
	passed := 0
	check := func(name string, ok bool, format string, args ...any) {
		if ok {
			passed++
			return
		}
		failed++
		fmt.Fprintf(out, "%s: %s\n", name, fmt.Sprintf(format, args...))
	}
	check("statements", len(errs) == 0, "%v", errs)
	for _, m := range []struct {
		name  string
		of    func(sample) int64
		grows int64 // at most, beside a quarter
	}{
		{"resident memory", func(s sample) int64 { return s.resident }, 48 << 20},
		{"Go's memory", func(s sample) int64 { return s.heap }, 16 << 20},
		{"disk", func(s sample) int64 { return s.disk }, 64 << 20},
		{"open files", func(s sample) int64 { return s.files }, 24},
		{"goroutines", func(s sample) int64 { return s.goroutines }, 24},
	} {
		// The second third against the last: the first fills caches.
		n := len(samples) / 3
		early, late := median(samples[n:2*n+1], m.of), median(samples[2*n:], m.of)
		fmt.Fprintf(out, "%s: %d, then %d\n", m.name, early, late)
		check(m.name, late <= early+early/4+m.grows, "grew from %d to %d", early, late)
	}
	problems := w.audit(context.Background())
	check("tables", problems == "", "%s", problems)
	check("Close", db.Close() == nil, "failed")
	var after sample
	for range 100 { // what ends in the background
		after = takeSample(dir)
		if after.files <= before.files && after.goroutines <= before.goroutines {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	check("files left open", after.files <= before.files, "%d before, %d after", before.files, after.files)
	check("goroutines left", after.goroutines <= before.goroutines, "%d before, %d after", before.goroutines, after.goroutines)
	fmt.Fprintf(out, "%d statements in %.0f s\n%d passed, %d failed\n", w.statements.Load(), time.Since(begin).Seconds(), passed, failed)
	return failed, nil
}

func median(samples []sample, of func(sample) int64) int64 {
	var list []int64
	for _, s := range samples {
		list = append(list, of(s))
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}
