package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// check prints what CHECK DATABASE finds.
func (p *program) check(ctx context.Context, args []string) error {
	f := p.flags("check [flags] PATH")
	who := p.account(f)
	quick := f.Bool("quick", false, "compare numbers only")
	extended := f.Bool("extended", false, "compare each row and index entry")
	if err := parse(f, args, 1, 1); err != nil {
		return err
	}
	sql := "CHECK DATABASE"
	if *quick {
		sql += " QUICK"
	}
	if *extended {
		sql += " EXTENDED"
	}
	return who.with(ctx, engine.Config{Path: f.Arg(0), ReadOnly: true}, func(_ *engine.Engine, s *engine.Session) error {
		bad, tables := 0, 0
		err := each(ctx, s, sql, func(row []*string) error {
			if *row[2] != "status" {
				bad++
				fmt.Fprintf(p.out, "%s: %s: %s\n", *row[0], *row[2], *row[3])
			} else {
				tables++
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%d tables are whole, %d problems\n", tables, bad)
		if bad > 0 {
			return errFound
		}
		return nil
	})
}

func (p *program) salvage(ctx context.Context, args []string) error {
	f := p.flags("salvage DIR OUT")
	if err := parse(f, args, 2, 2); err != nil {
		return err
	}
	losses := 0
	s, err := engine.Salvage(ctx, f.Arg(0), f.Arg(1), func(what string) {
		losses++
		fmt.Fprintln(p.out, what)
	})
	fmt.Fprintf(p.out, "%d tables with %d rows are saved; %d reports of damage\n", s.Tables, s.Rows, losses)
	return err
}

// progress shows how far a backup is, now and then.
func (p *program) progress() func(engine.BackupProgress) {
	shown := time.Now()
	return func(b engine.BackupProgress) {
		if time.Since(shown) > 2*time.Second {
			shown = time.Now()
			fmt.Fprintf(p.err, "%d of %d MiB\n", b.Done>>20, b.Total>>20)
		}
	}
}

func (p *program) backup(ctx context.Context, args []string) error {
	f := p.flags("backup [flags] PATH DIR")
	who := p.account(f)
	namespace := f.String("namespace", "", "only this one")
	keep := f.Int("keep", 0, "how many backups stay in DIR; 0: all")
	if err := parse(f, args, 2, 2); err != nil {
		return err
	}
	return who.with(ctx, engine.Config{Path: f.Arg(0)}, func(e *engine.Engine, _ *engine.Session) error {
		b, err := e.Backup(ctx, f.Arg(1), engine.BackupOptions{Namespace: *namespace, Keep: *keep, Progress: p.progress()})
		if b != nil {
			fmt.Fprintf(p.out, "backup %d: %d files, %d bytes, of which %d were copied\n", b.Number, b.Files, b.Bytes, b.CopiedBytes)
		}
		return err
	})
}

func (p *program) restore(ctx context.Context, args []string) error {
	f := p.flags("restore [flags] DIR PATH")
	number := f.Int("number", 0, "of the backup; 0: the last")
	replace := f.Bool("replace", false, "take the place of the database at PATH")
	if err := parse(f, args, 2, 2); err != nil {
		return err
	}
	return engine.RestoreTo(ctx, f.Arg(0), f.Arg(1), engine.RestoreOptions{Number: *number, Replace: *replace, Progress: p.progress()})
}

func (p *program) verify(ctx context.Context, args []string) error {
	f := p.flags("verify DIR")
	if err := parse(f, args, 1, 1); err != nil {
		return err
	}
	bad := 0
	err := engine.VerifyBackup(ctx, f.Arg(0), func(b engine.BackupInfo, err error) {
		status := "whole"
		if err != nil {
			bad++
			status = err.Error()
			if e := sqlerr.As(err); e != nil {
				status = e.Message
			}
		}
		what := "whole database"
		if b.Namespace != "" {
			what = "database " + b.Namespace
		}
		fmt.Fprintf(p.out, "backup %d of %s, %s, %d bytes: %s\n", b.Number, b.Created.Format(time.DateTime), what, b.Bytes, status)
	})
	if err == nil && bad > 0 {
		err = errFound
	}
	return err
}
