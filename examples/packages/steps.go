package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// steps times what is done, one step after another, and prints it.
type steps struct {
	out   io.Writer
	bar   io.Writer // nil: no progress bar
	since func(time.Time) time.Duration
	name  string
	start time.Time
	drawn time.Time
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// begin starts a step.
func (s *steps) begin(name string) {
	s.name, s.start, s.drawn = name, time.Now(), time.Time{}
}

const eraseLine = "\r\x1b[K"

// progress draws how far the step is; a total of 0 is unknown.
func (s *steps) progress(n, total int) {
	if s.bar == nil || time.Since(s.drawn) < 100*time.Millisecond {
		return
	}
	s.drawn = time.Now()
	speed := grouped(rate(n, s.since(s.start))) + " rows/s"
	if total == 0 {
		fmt.Fprintf(s.bar, "%s%-20s %s  %s", eraseLine, s.name, grouped(int64(n)), speed)
		return
	}
	const width = 30
	filled := n * width / total
	fmt.Fprintf(s.bar, "%s%-20s [%s%s] %3d%%  %s", eraseLine, s.name,
		strings.Repeat("#", filled), strings.Repeat(".", width-filled), n*100/total, speed)
}

// done ends a step in which n rows were handled.
func (s *steps) done(what string, n int) {
	took := s.since(s.start)
	s.erase()
	fmt.Fprintf(s.out, "%9s %s in %s, %s rows/s\n", grouped(int64(n)), what, duration(took), grouped(rate(n, took)))
}

func (s *steps) erase() {
	if s.bar != nil {
		fmt.Fprint(s.bar, eraseLine)
	}
}

func rate(n int, took time.Duration) int64 {
	return int64(float64(n) / max(took, time.Microsecond).Seconds())
}

func duration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printTable writes rows in columns as wide as their widest value, numbers to
// the right.
func printTable(out io.Writer, head []string, rows [][]string, numeric []bool) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, v := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(v))
		}
	}
	line := func(row []string) {
		var b strings.Builder
		for i, v := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(v))
			if numeric[i] {
				b.WriteString("  " + pad + v)
			} else {
				b.WriteString("  " + v + pad)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
	line(head)
	rule := make([]string, len(head))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
}
