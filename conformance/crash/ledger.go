package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ledger is what the parent knows of a database.
type ledger struct {
	path, sync string
	shim       *shim
	kind       string // of faults
	// spareTables leaves table files out of damage.
	spareTables bool
	ready       time.Duration // that the child took to open, last time

	// The highest number acknowledged: of transfers and appends by worker, of
	// chained transfers, of notes and loads.
	transfers [transferers]int64
	appends   [appenders]int64
	chain     int64
	note      int64
	load      int64
	defined   map[string]int // steps by table
	inherited map[string]int // defined as the child found it, which drops those first
	made      bool           // the tables are all there
	// unchecked is how many children worked since the database was checked. Each may
	// have left a commit that was under way, and not acknowledged.
	unchecked int64
}

func newLedger(path, sync string, s *shim, kind string) *ledger {
	return &ledger{path: path, sync: sync, shim: s, kind: kind, defined: map[string]int{}, ready: 200 * time.Millisecond}
}

// round runs a child, kills it and checks the database.
func (l *ledger) round(random *rand.Rand, total *counts) error {
	opening, clean := random.IntN(5) == 0, random.IntN(10) == 0 && l.kind != errorFaults
	acknowledged, err := l.runChild(random, opening && !clean, clean, total)
	total.acknowledged += acknowledged
	switch {
	case err != nil:
		return err
	case clean:
		total.clean++
	case opening:
		total.opening++
	}
	mayLose := (l.sync == "off" || l.sync == "normal" && l.kind == powerFaults) && !clean
	if opening && !clean && !mayLose && random.IntN(2) == 0 {
		return nil // crash again on what there is now
	}
	readOnly := l.made && random.IntN(2) == 0 // leaves all as it is
	before := l.total()
	if err := l.check(readOnly, mayLose); err != nil {
		return err
	}
	l.unchecked = 0
	if mayLose {
		total.losable += acknowledged
		total.lost += before - l.total()
	}
	if l.kind == damageFaults {
		return l.damage(random, total)
	}
	if random.IntN(4) > 0 {
		return nil
	}
	cut, err := l.cutManifest(random)
	if cut {
		total.cut++
	}
	return err
}

func (l *ledger) total() int {
	n := l.note + l.load
	for _, x := range append(l.transfers[:], l.appends[:]...) {
		n += x
	}
	return int(n)
}

// runChild runs a child until it is killed or ended and returns the number of
// commits it told of.
func (l *ledger) runChild(random *rand.Rand, opening, clean bool, total *counts) (acknowledged int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=file:%s?sync=%s&write_buffer_mb=1&cache_mb=8", childVariable, l.path, l.sync))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var f *faults
	stop := make(chan struct{})
	defer close(stop)
	if l.kind == powerFaults || l.kind == errorFaults {
		if f, err = l.shim.on(l.path, random.Uint32()); err != nil {
			return 0, err
		}
		cmd.Env = append(cmd.Env, f.environment()...)
	}
	trouble := func() {
		if l.kind == errorFaults {
			trouble := rand.New(rand.NewPCG(random.Uint64(), 0))
			go f.trouble(trouble, stop)
		}
	}
	if l.kind == errorFaults {
		cmd.Env = append(cmd.Env, troubleVariable+"=1")
		if opening {
			trouble()
		}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	l.inherited = maps.Clone(l.defined)
	l.unchecked++
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	kill := func() { cmd.Process.Kill() }
	if opening {
		time.AfterFunc(time.Duration(random.Int64N(int64(l.ready)*5/4)), kill)
	}
	life := time.Duration(random.Int64N(int64(150 * time.Millisecond)))
	var broken []string
	closed := false
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
		case "ready":
			l.made = true
			l.ready = time.Since(begin)
			if !opening {
				trouble()
			}
			if clean {
				time.AfterFunc(life, func() { stdin.Close() })
			} else if !opening {
				time.AfterFunc(life, kill)
			}
		case "closed":
			closed = true
		case "broken":
			broken = append(broken, rest)
			kill()
		default:
			if err := l.acknowledge(what, strings.Fields(rest)); err != nil {
				broken = append(broken, fmt.Sprintf("%q: %v", lines.Text(), err))
				kill()
			}
			acknowledged++
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if f != nil {
		total.faults += int(f.get(faulted))
	}
	if l.kind == powerFaults && !clean {
		if err := f.loseUnsynced(random, random.IntN(2) == 0); err != nil {
			return 0, err
		}
	}
	switch {
	case broken != nil:
		return acknowledged, errors.New("the child says: " + strings.Join(broken, "; "))
	case clean && (err != nil || !closed):
		return acknowledged, fmt.Errorf("the child did not end cleanly: %v\n%s", err, head(stderr.Bytes()))
	case l.kind == errorFaults && exited(err, troubleStatus): // it could not even begin
		return acknowledged, nil
	case l.kind == errorFaults && bytes.Contains(stderr.Bytes(), []byte("Assertion `")):
		// RocksDB as Debian builds it has assertions, some of which I/O errors break.
		total.aborts++
		return acknowledged, nil
	case !clean && (!errors.As(err, &exit) || exit.Success() || exit.ExitCode() != -1):
		return acknowledged, fmt.Errorf("the child ended by itself: %v\n%s", err, head(stderr.Bytes()))
	}
	return acknowledged, nil
}

func head(text []byte) []byte { return text[:min(len(text), 3000)] }

func exited(err error, status int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == status
}

// acknowledge notes a commit.
func (l *ledger) acknowledge(what string, args []string) error {
	n := make([]int64, len(args))
	for i, a := range args {
		var err error
		if n[i], err = strconv.ParseInt(a, 10, 64); err != nil {
			return err
		}
	}
	switch {
	case what == "transfer" && len(n) == 2:
		return l.ascend(&l.transfers[n[0]], n[1])
	case what == "append" && len(n) == 2:
		return l.ascend(&l.appends[n[0]], n[1])
	case what == "note" && len(n) == 1:
		return l.ascend(&l.note, n[0])
	case what == "load" && len(n) == 1:
		return l.ascend(&l.load, n[0])
	case what == "chain" && len(n) == 1:
		l.chain = max(l.chain, n[0]) // told after the commit, in any order
	case what == "define" && len(n) == 2:
		l.defined[args[0]] = int(n[1])
	default:
		return errors.New("unknown")
	}
	return nil
}

// ascend sets the last of numbers that leave none out. A child goes on after
// what it finds, which may be more than was acknowledged, by the commits that were
// under way.
func (l *ledger) ascend(last *int64, n int64) error {
	if n <= *last || n > *last+1+l.unchecked {
		return fmt.Errorf("%d follows %d", n, *last)
	}
	*last = n
	return nil
}

// check opens the database and compares it with the ledger, which follows it.
func (l *ledger) check(readOnly, mayLose bool) error {
	db, err := sql.Open("kalam", fmt.Sprintf("file:%s?sync=%s&readonly=%v&write_buffer_mb=1&cache_mb=8", l.path, l.sync, readOnly))
	if err != nil {
		return err
	}
	defer db.Close()
	a := auditor{l: l, db: db, mayLose: mayLose}
	a.run(context.Background())
	if err := db.Close(); err != nil {
		a.fail("Close: %v", err)
	}
	return errors.Join(a.failures...)
}
