// Command crash kills a process that works on a database, again and again, and
// checks what is left.
//
//	go run ./conformance/crash [-rounds N] [-seed S] [-dir DIR] [-sync full|normal|off] [-faults none|power|errors|damage]
//
// A round starts the program itself as a child, which runs bank transfers,
// appends to lists and definitions of tables and indexes in several goroutines
// and tells of each commit once it is acknowledged. The child is killed with
// SIGKILL at a random moment, also while it opens the database, and the
// database is checked: every acknowledged commit is there, none is torn, no
// money is lost, indexes agree with rows, nothing half-made is left. With
// sync=off the last commits may be missing, but only from the end.
//
// With -faults=power the machine loses its power, too: a shim between RocksDB and
// the C library notes what was synced, and the rest is taken away. With sync=full
// nothing that was acknowledged is lost, else only from the end. With -faults=errors
// reads, writes and syncs fail at random, disks are full and bits flip: statements may
// fail, but what was acknowledged stays, and nothing wrong is ever read.
//
// With -faults=damage a log, a table file or the manifest of a copy is damaged after each
// kill: cut off, a bit flipped, zeroed in part, or removed. The copy must refuse to open, or
// give right rows and errors that tell of the damage; with a damaged log it may be as it was
// at an earlier moment. What is salvaged of it must be right, and have all of what is readable.
//
// RocksDB before version 8.6 may pass over a broken block that is near a range deletion without
// an error, about once in a hundred damaged table files; that counts as failed.
//
// Now and then the manifest of a copy is cut short: the copy must not open.
//
// The last line counts rounds: "N passed, N failed". The exit status is 1 when
// one failed; its database is kept.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "github.com/kalamgo/kalam/driver"
)

func main() {
	if dsn := os.Getenv(childVariable); dsn != "" {
		os.Exit(child(dsn))
	}
	if file := os.Getenv(examineVariable); file != "" {
		os.Exit(examine(file))
	}
	var c config
	flag.IntVar(&c.rounds, "rounds", 50, "how many times to kill the child")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "of the random moments")
	flag.StringVar(&c.dir, "dir", "", "where the databases go; default: a temporary directory")
	flag.StringVar(&c.sync, "sync", "", "full, normal or off; default: each in turn")
	flag.StringVar(&c.faults, "faults", "", "none, power, errors or damage; default: each in turn")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	failed, err := c.run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// config says what to do.
type config struct {
	rounds int
	seed   uint64
	dir    string
	sync   string
	faults string
	// spareTables leaves table files out of damage: RocksDB before version 8.6 may
	// pass over a broken block that is near a range deletion without an error.
	spareTables bool
}

// roundsPerDatabase is after how many rounds a new database begins.
const roundsPerDatabase = 12

// run runs the rounds and returns how many failed.
func (c *config) run(out io.Writer) (failed int, err error) {
	dir := c.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "kalam-crash-"); err != nil {
			return 0, err
		}
	}
	random := rand.New(rand.NewPCG(c.seed, 0))
	fmt.Fprintf(out, "seed %d\n", c.seed)
	modes := []string{"full", "normal", "off"}
	if c.sync != "" {
		modes = []string{c.sync}
	}
	kinds := []string{noFaults, damageFaults, powerFaults, errorFaults}
	if c.faults != "" {
		kinds = []string{c.faults}
	}
	var s *shim
	if c.faults != noFaults && c.faults != damageFaults {
		if s, err = buildShim(dir); err != nil {
			return 0, err
		}
	}
	var total counts
	var l *ledger
	begin, shown, keep := time.Now(), time.Now(), false
	databases, inDatabase := 0, 0
	for n := range c.rounds {
		if l == nil || inDatabase == roundsPerDatabase {
			if l != nil && !keep {
				os.RemoveAll(l.path)
			}
			l = newLedger(filepath.Join(dir, fmt.Sprintf("%03d.kdb", databases)), modes[databases%len(modes)], s, kinds[databases/len(modes)%len(kinds)])
			l.spareTables = c.spareTables
			databases, inDatabase, keep = databases+1, 0, false
		}
		inDatabase++
		if err := l.round(random, &total); err != nil {
			failed++
			keep = true
			fmt.Fprintf(out, "round %d, sync=%s, faults=%s, %s: %v\n", n, l.sync, l.kind, l.path, err)
			l = nil
		}
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			fmt.Fprintf(out, "%d of %d rounds, %d failed, %d commits acknowledged\n", n+1, c.rounds, failed, total.acknowledged)
		}
	}
	fmt.Fprintf(out, "%d databases, %d kills while opening, %d clean ends, %d calls made to fail, %d manifests cut short, %.0f s\n",
		databases, total.opening, total.clean, total.faults, total.cut, time.Since(begin).Seconds())
	if total.aborts > 0 {
		fmt.Fprintf(out, "RocksDB aborted %d times by an assertion\n", total.aborts)
	}
	if total.damaged > 0 {
		fmt.Fprintf(out, "%d copies damaged, %d did not open; %d of %d rows salvaged, nothing of %d copies\n", total.damaged, total.refused, total.saved, total.savable, total.unsaved)
	}
	fmt.Fprintf(out, "%d commits acknowledged; of %d that could be lost %d were\n", total.acknowledged, total.losable, total.lost)
	fmt.Fprintf(out, "%d passed, %d failed\n", c.rounds-failed, failed)
	if failed == 0 && c.dir == "" {
		os.RemoveAll(dir)
	}
	return failed, nil
}

// counts are figures of all rounds.
type counts struct {
	opening, clean              int
	acknowledged, losable, lost int
	faults, aborts              int // aborts of RocksDB by its own assertions
	cut                         int // manifests that were cut short, in a copy
	damaged, refused, unsaved   int // copies: damaged, not opened, with nothing salvaged
	saved, savable              int // rows
}
