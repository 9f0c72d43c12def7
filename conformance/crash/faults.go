package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What may go wrong beside the kill.
const (
	noFaults    = "none"
	powerFaults = "power"  // the machine loses power: what was not synced is gone
	errorFaults = "errors" // calls of the file system fail
)

//go:embed shim/faults.c
var shimSource string

// shim is the compiled shim, see shim/faults.c.
type shim struct{ library string }

// buildShim compiles it into a directory.
func buildShim(dir string) (*shim, error) {
	source, library := filepath.Join(dir, "faults.c"), filepath.Join(dir, "faults.so")
	if err := os.WriteFile(source, []byte(shimSource), 0o600); err != nil {
		return nil, err
	}
	out, err := exec.Command("gcc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("gcc: %v: %s", err, out)
	}
	return &shim{library}, nil
}

// The places of struct control's members in shim/faults.c.
const (
	writeError = iota
	writeFull
	writeShort
	syncError
	readError
	readFlip
	seed
	writes
	syncs
	reads
	faulted
	members
)

// faults is the shim at work on one process.
type faults struct {
	*shim
	dir, control, journal string
	durable               map[string]int64 // bytes on stable storage before the process began
}

// on prepares the shim for a process that works on the database of dir.
func (s *shim) on(dir string, seedValue uint32) (*faults, error) {
	f := &faults{shim: s, dir: dir, control: dir + ".control", journal: dir + ".journal", durable: map[string]int64{}}
	os.Remove(f.journal)
	if err := os.WriteFile(f.control, make([]byte, 4*members), 0o600); err != nil {
		return nil, err
	}
	f.set(seed, seedValue)
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range files {
		if info, err := e.Info(); err == nil {
			f.durable[filepath.Join(dir, e.Name())] = info.Size()
		}
	}
	return f, nil
}

func (f *faults) environment() []string {
	return []string{"LD_PRELOAD=" + f.library, "KALAM_FAULTS_DIR=" + f.dir, "KALAM_FAULTS_CONTROL=" + f.control, "KALAM_FAULTS_JOURNAL=" + f.journal}
}

// set sets a member of the control; the process sees it at once.
func (f *faults) set(member int, value uint32) error {
	file, err := os.OpenFile(f.control, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(binary.NativeEndian.AppendUint32(nil, value), 4*int64(member))
	return errors.Join(err, file.Close())
}

func (f *faults) get(member int) uint32 {
	content, err := os.ReadFile(f.control)
	if err != nil || len(content) < 4*members {
		return 0
	}
	return binary.NativeEndian.Uint32(content[4*member:])
}

// trouble lets calls fail now and then until stop is closed.
func (f *faults) trouble(random *rand.Rand, stop <-chan struct{}) {
	for {
		member := random.IntN(seed)
		chance := []uint32{20_000, 200_000, 1_000_000}[random.IntN(3)]
		if member >= readError {
			chance = 20_000
		}
		f.set(member, chance)
		select {
		case <-stop:
		case <-time.After(time.Duration(1+random.IntN(20)) * time.Millisecond):
		}
		f.set(member, 0)
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.IntN(30)) * time.Millisecond):
		}
	}
}

// loseUnsynced takes away what was not on stable storage when the process died.
// With some, a random part of it stays, in each file another one.
func (f *faults) loseUnsynced(random *rand.Rand, some bool) error {
	text, err := os.ReadFile(f.journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, line := range strings.SplitAfter(string(text), "\n") {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			continue
		}
		switch what, rest, _ := strings.Cut(line, " "); what {
		case "S":
			size, path, _ := strings.Cut(rest, " ")
			n, err := strconv.ParseInt(size, 10, 64)
			if err != nil {
				return fmt.Errorf("journal: %q", line)
			}
			f.durable[path] = n
		case "R":
			from, to, _ := strings.Cut(rest, "\t")
			f.durable[to] = f.durable[from]
			delete(f.durable, from)
		}
	}
	files, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range files {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), "LOG") { // RocksDB's log for people
			continue
		}
		path := filepath.Join(f.dir, e.Name())
		keep := f.durable[path]
		if lost := info.Size() - keep; some && lost > 0 {
			keep += random.Int64N(lost + 1)
		}
		if keep < info.Size() {
			if err := os.Truncate(path, keep); err != nil {
				return err
			}
		}
	}
	return nil
}
