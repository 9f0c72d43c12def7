package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/types"
)

// shell runs the statements of an argument, or of the standard input.
func (p *program) shell(ctx context.Context, args []string) error {
	f := p.flags("[flags] PATH [SQL]\n       kalam dump|load|check|backup|restore|verify|salvage …")
	who := p.account(f)
	readOnly := f.Bool("readonly", false, "refuse everything that writes")
	if err := parse(f, args, 1, 2); err != nil {
		return err
	}
	cfg := engine.Config{Path: f.Arg(0), ReadOnly: *readOnly, Create: !*readOnly}
	return who.with(ctx, cfg, func(_ *engine.Engine, s *engine.Session) error {
		in := p.in
		interactive := p.terminal
		if f.NArg() == 2 {
			in, interactive = strings.NewReader(f.Arg(1)), false
		}
		texts := newSplitter(in)
		for {
			if interactive {
				fmt.Fprint(p.out, "kalam> ")
			}
			text, line, err := texts.next()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				if err = p.statement(ctx, s, text); err != nil && line > 1 && !interactive {
					err = fmt.Errorf("line %d: %w", line, err)
				}
			}
			if err != nil && !interactive {
				return err
			}
			if err != nil {
				fmt.Fprintln(p.err, err)
			}
		}
	})
}

// statement runs a statement and prints its rows, or how many it changed.
func (p *program) statement(ctx context.Context, s *engine.Session, text string) error {
	rows, err := s.Query(ctx, text, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		if len(rows.Columns()) > 0 {
			if err := p.table(ctx, rows); err != nil {
				return err
			}
		}
		more, err := rows.NextResultSet(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// tableRows is how many rows are laid out together.
const tableRows = 1000

// table prints the current rows in aligned columns, those of a live query as they come.
func (p *program) table(ctx context.Context, rows *engine.Rows) error {
	var names []string
	for _, c := range rows.Columns() {
		names = append(names, c.Name)
	}
	var list [][]string
	live, n := rows.Endless(), 0
	if live {
		p.layOut(names, nil)
	}
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Len {
			row := make([]string, len(names))
			for c, v := range texts(b, i) {
				row[c] = "NULL"
				if v != nil {
					row[c] = *v
				}
			}
			list = append(list, row)
		}
		n += b.Len
		switch {
		case live:
			p.lines(widthsOf(names, list), list)
			list = list[:0]
		case len(list) >= tableRows, b.Len == 0 && (len(list) > 0 || n == 0):
			p.layOut(names, list)
			list = list[:0]
		}
		if b.Len == 0 {
			return nil
		}
	}
}

func (p *program) layOut(names []string, rows [][]string) {
	widths := widthsOf(names, rows)
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	p.lines(widths, append([][]string{names, rule}, rows...))
}

// widthsOf returns how wide columns have to be.
func widthsOf(names []string, rows [][]string) []int {
	widths := make([]int, len(names))
	for _, row := range append([][]string{names}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func (p *program) lines(widths []int, rows [][]string) {
	for _, row := range rows {
		var l strings.Builder
		for i, cell := range row {
			l.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(p.out, strings.TrimRight(l.String(), " "))
	}
}

// texts returns a row's values as text; a NULL is nil.
func texts(b *types.Batch, i int) []*string {
	row := make([]*string, len(b.Columns))
	for c, v := range b.Columns {
		if !v.IsNull(i) {
			var s string
			if v.Type.IsBinary() {
				s = fmt.Sprintf("0x%X", v.BytesAt(i))
			} else {
				s = string(types.AppendText(nil, v.Type, v.Value(i)))
			}
			row[c] = &s
		}
	}
	return row
}

// load runs the statements of a file, or of the standard input.
func (p *program) load(ctx context.Context, args []string) error {
	f := p.flags("load [flags] PATH [FILE]")
	who := p.account(f)
	namespace := f.String("namespace", "", "the database selected at first")
	user := f.String("user", "", "the id of the user whose rows those of user and stream tables are to be; the owner's by default")
	fast := f.Bool("fast", false, "do not wait for the disk; after a crash the database is to be loaded again")
	quiet := f.Bool("quiet", false, "show no progress")
	if err := parse(f, args, 1, 2); err != nil {
		return err
	}
	in, size := p.in, int64(0)
	if f.NArg() == 2 {
		file, err := os.Open(f.Arg(1))
		if err != nil {
			return err
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil {
			size = info.Size()
		}
		in = file
	}
	session, err := who.config(engine.SessionConfig{Namespace: *namespace, Durability: durability(*fast)})
	if err != nil {
		return err
	}
	e, err := engine.Open(ctx, engine.Config{Path: f.Arg(0), Create: true})
	if err != nil {
		return err
	}
	s, err := e.NewSession(session)
	if err == nil {
		if given(f, "user") {
			ctx = engine.WithUser(ctx, *user)
		}
		err = p.loadFrom(ctx, s, in, size, *quiet)
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, e.Close())
}

func durability(fast bool) engine.Durability {
	if fast {
		return engine.NoLog
	}
	return engine.Sync
}

func (p *program) loadFrom(ctx context.Context, s *engine.Session, in io.Reader, size int64, quiet bool) error {
	texts := newSplitter(in)
	statements, shown := 0, time.Now()
	for {
		text, line, err := texts.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			_, err = s.Exec(ctx, text, nil)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		statements++
		if !quiet && time.Since(shown) > 2*time.Second {
			shown = time.Now()
			percent := ""
			if size > 0 {
				percent = fmt.Sprintf(", %d %%", 100*texts.read/size)
			}
			fmt.Fprintf(p.err, "%d statements, line %d%s\n", statements, line, percent)
		}
	}
	if !quiet {
		fmt.Fprintf(p.err, "%d statements\n", statements)
	}
	return nil
}
