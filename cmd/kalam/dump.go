package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/dump"
)

// dump prints a database, or a user's rows, as SQL text.
func (p *program) dump(ctx context.Context, args []string) error {
	f := p.flags("dump [flags] PATH [NAMESPACE…]")
	who := p.account(f)
	schemaOnly := f.Bool("schema-only", false, "leave out the rows")
	dataOnly := f.Bool("data-only", false, "leave out the definitions")
	user := f.String("user", "", "print nothing but the rows of the user with this id, those in user and stream tables; whoever loads them gets them")
	if err := parse(f, args, 1, -1); err != nil {
		return err
	}
	one := given(f, "user")
	if one && (*schemaOnly || *dataOnly) {
		fmt.Fprintln(p.err, "kalam: -user prints rows alone; -schema-only and -data-only are for whole databases")
		return errUsage
	}
	return who.with(ctx, engine.Config{Path: f.Arg(0), ReadOnly: true}, func(_ *engine.Engine, s *engine.Session) error {
		namespaces := f.Args()[1:]
		if one {
			return dump.User(ctx, s, p.out, *user, namespaces...)
		}
		return dump.Database(ctx, s, p.out, dump.Options{Namespaces: namespaces, NoSchema: *dataOnly, NoRows: *schemaOnly})
	})
}

// given reports whether a flag was, also where its value is the default.
func given(f *flag.FlagSet, name string) (is bool) {
	f.Visit(func(x *flag.Flag) { is = is || x.Name == name })
	return is
}
