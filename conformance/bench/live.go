package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/kalamgo/kalam"
)

// liveResult is what live queries cost, a number of them on one table.
type liveResult struct {
	Subscriptions int           `json:"subscriptions"`
	P50           time.Duration `json:"p50_ns"` // from an INSERT's return to the event, when INSERTs come one by one
	P99           time.Duration `json:"p99_ns"`
	Writes        float64       `json:"writes_per_second"` // of one connection, without pauses
	Bytes         int64         `json:"bytes"`             // of each subscription that waits, without its reader
}

// liveSizes say how much benchLive does.
type liveSizes struct {
	subscriptions []int
	writes        int
}

var (
	fullLive  = liveSizes{[]int{0, 1, 100, 10_000, 100_000}, 3000}
	quickLive = liveSizes{[]int{0, 1, 100}, 300}
)

// benchLive measures live queries of the form room = ?, each of another room, while one
// connection inserts rows into their rooms in turn.
func benchLive(n liveSizes, dir string, progress io.Writer) (list []liveResult, err error) {
	if dir, err = os.MkdirTemp(dir, "kalam-live"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, count := range n.subscriptions {
		fmt.Fprintf(progress, "%d live queries\n", count)
		r, err := measureLive(filepath.Join(dir, fmt.Sprint(count)), count, n.writes)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func measureLive(path string, count, writes int) (r liveResult, err error) {
	r.Subscriptions = count
	db, err := sql.Open("kalam", "file:"+path+"?sync=normal")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec("CREATE TABLE m (id BIGINT PRIMARY KEY, room INT, body VARCHAR(200))"); err != nil {
		return r, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	before := memory()
	subs := make([]*kalam.Subscription, count)
	for i := range subs {
		if subs[i], err = kalam.Subscribe(ctx, db, "SELECT id, body FROM m WHERE room = ?", []any{i}); err != nil {
			return r, err
		}
	}
	if count > 0 {
		r.Bytes = (memory() - before) / int64(count)
	}
	arrived := make([]time.Time, writes)
	var waiting, running sync.WaitGroup
	if count > 0 {
		waiting.Add(2 * writes)
	}
	for _, sub := range subs {
		running.Go(func() {
			for ev, err := range sub.Events() {
				if err != nil {
					return
				}
				if id := ev.Values[0].(int64); id < int64(writes) {
					arrived[id] = time.Now()
				}
				waiting.Done()
			}
		})
	}
	insert, err := db.Prepare("INSERT INTO m VALUES (?, ?, 'something that somebody says in a room')")
	if err != nil {
		return r, err
	}
	defer insert.Close()
	sent := make([]time.Time, writes)
	for i := range writes {
		if _, err := insert.Exec(i, i*7919%max(count, 1)); err != nil {
			return r, err
		}
		sent[i] = time.Now()
		time.Sleep(200 * time.Microsecond)
	}
	begin := time.Now()
	for i := range writes {
		if _, err := insert.Exec(writes+i, i*7919%max(count, 1)); err != nil {
			return r, err
		}
	}
	r.Writes = float64(writes) / time.Since(begin).Seconds()
	waiting.Wait()
	if count > 0 {
		late := make([]time.Duration, writes)
		for i := range late {
			late[i] = max(arrived[i].Sub(sent[i]), 0)
		}
		slices.Sort(late)
		r.P50, r.P99 = late[writes/2], late[writes*99/100]
	}
	stop()
	running.Wait()
	return r, nil
}

// memory returns what the program's heap and stacks take.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func printLive(out io.Writer, list []liveResult) error {
	fmt.Fprintf(out, "live queries \"room = ?\", each of another room, on one table; sync=normal, %d CPUs\n\n", runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "subscriptions\tp50\tp99\twrites/s\tbytes each\t")
	for _, r := range list {
		if r.Subscriptions == 0 {
			fmt.Fprintf(w, "none\t\t\t%.0f\t\t\n", r.Writes)
			continue
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%.0f\t%d\t\n", r.Subscriptions, shortTime(float64(r.P50)), shortTime(float64(r.P99)), r.Writes, r.Bytes)
	}
	return w.Flush()
}

// liveCommand measures live queries and shows the figures.
func liveCommand(quick bool, dir, jsonFile string) error {
	n := fullLive
	if quick {
		n = quickLive
	}
	list, err := benchLive(n, dir, os.Stderr)
	if err != nil {
		return err
	}
	return errors.Join(printLive(os.Stdout, list), writeFile(jsonFile, func(out io.Writer) error {
		return json.NewEncoder(out).Encode(list)
	}))
}
