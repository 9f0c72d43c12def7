package main

import (
	"fmt"
	"os"
	"time"

	"github.com/kalamgo/kalam/conformance/slt/logictest"
)

const eraseLine = "\r\x1b[K"

// progress shows how far a file is: over itself on a terminal, else on a new
// line now and then.
type progress struct {
	out      *os.File
	terminal bool
	interval time.Duration
	last     time.Time
}

func newProgress(out *os.File) *progress {
	info, err := out.Stat()
	p := &progress{out: out, interval: 10 * time.Second, last: time.Now()}
	if err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal, p.interval = true, 100*time.Millisecond
	}
	return p
}

func (p *progress) show(name string, r logictest.Result) {
	if time.Since(p.last) < p.interval {
		return
	}
	p.last = time.Now()
	p.clear()
	fmt.Fprintf(p.out, "%s: %d of %d records, %d failed", name, r.Passed+r.Failed+r.Skipped, r.Records, r.Failed)
	if !p.terminal {
		fmt.Fprintln(p.out)
	}
}

// clear makes room for other output.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.out, eraseLine)
	}
}
