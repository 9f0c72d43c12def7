package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// files are what a database costs when it is not asked anything: the time to
// open it, its files, its memory and what it adds to a program.
func files(n sizes, _ int) (list []workload) {
	for _, rows := range n.open {
		path := func(p *peer) string { return fmt.Sprintf("%s-%d", p.path, rows) }
		list = append(list, workload{
			name:  "open, " + thousands(rows) + " rows",
			setup: func(p *peer) error { return p.at(path(p), func(p *peer) error { return p.reach(packed, rows) }) },
			run: func(p *peer, from, count int) error {
				return together(1, from, count, func(int) error {
					return p.at(path(p), func(p *peer) error { return p.query(-1, shortVars(), "SELECT a, b, s FROM t WHERE id = 1") })
				})
			},
			raw: func(r *raw, from, count int) error {
				return together(1, from, count, func(int) error {
					var again raw
					if err := again.open(fmt.Sprintf("%s-%d", r.path, rows)); err != nil {
						return err
					}
					return again.close()
				})
			},
		}, workload{
			name: "size on disk, " + thousands(rows) + " rows",
			size: func(p *peer) (float64, error) { return sizeOf(path(p)) },
		})
	}
	rows := n.open[len(n.open)-1]
	list = append(list, workload{
		name: "peak memory, " + thousands(rows) + " rows loaded and grouped by another key each",
		size: func(p *peer) (float64, error) { return memoryOf(p.name, rows, p.path+"-memory") },
	})
	if n.build {
		list = append(list, workload{name: "a program's size", size: (*peer).programSize})
	}
	return list
}

// at does something with the database at another path, which it opens and closes.
func (p *peer) at(path string, do func(p *peer) error) (err error) {
	other := *p
	if p.raw != nil {
		other.raw = &raw{}
	}
	other.state = empty
	if err := other.open(path); err != nil {
		return err
	}
	return errors.Join(do(&other), other.close())
}

// sizeOnDisk is that of the database, when what it keeps in memory is written.
func (p *peer) sizeOnDisk() (float64, error) {
	// Closing is what writes it, for all.
	if err := p.close(); err != nil {
		return 0, err
	}
	bytes, err := sizeOf(p.path)
	return bytes, errors.Join(err, p.open(p.path))
}

// sizeOf adds up the files whose names begin with a path, but those of other
// databases beside it.
func sizeOf(path string) (bytes float64, err error) {
	for _, name := range []string{path, path + "-wal", path + ".wal"} {
		err := filepath.WalkDir(name, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				bytes += float64(info.Size())
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return bytes, nil
}

// childVariable has the name of the peer, the rows and the path of a process
// that measures its own memory.
const childVariable = "KALAM_BENCH_CHILD"

// memoryOf returns the most memory that a process held which did nothing else.
func memoryOf(peer string, rows int, path string) (float64, error) {
	own, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := exec.Command(own)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d\n%s", childVariable, peer, rows, path))
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, &complaints)
	}
	return strconv.ParseFloat(string(out), 64)
}

// child is such a process. It tells whether this one is.
func child() (bool, error) {
	name, rest, _ := strings.Cut(os.Getenv(childVariable), "\n")
	count, path, ok := strings.Cut(rest, "\n")
	if !ok {
		return false, nil
	}
	rows, err := strconv.Atoi(count)
	if err != nil {
		return true, err
	}
	for _, p := range peers() {
		if p.name != name {
			continue
		}
		err := p.at(path, func(p *peer) error {
			return errors.Join(p.reach(packed, rows), p.query(-1, floatVars(3), "SELECT k, COUNT(*), SUM(x) FROM t GROUP BY k"))
		})
		if err != nil {
			return true, err
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return true, err
		}
		_, most, _ := strings.Cut(string(status), "VmHWM:")
		most, _, _ = strings.Cut(most, "kB")
		kb, err := strconv.Atoi(strings.TrimSpace(most))
		fmt.Print(kb * 1024)
		return true, err
	}
	return true, fmt.Errorf("no peer %q", name)
}

// programSize returns the size of a program that uses the peer's driver and
// nothing else, built in this module without symbols.
func (p *peer) programSize() (bytes float64, err error) {
	dir, err := os.MkdirTemp("", "kalam-bench-program")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	text := fmt.Sprintf("package main\n\nimport (\n\t\"database/sql\"\n\t_ %q\n)\n\nfunc main() {\n\tdb, _ := sql.Open(%q, \"\")\n\tdb.Ping()\n}\n", p.pkg, p.driver)
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(text), 0o666); err != nil {
		return 0, err
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w (run it in conformance/bench): %s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()), nil
}
