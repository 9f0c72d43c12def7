// Command kalam is the shell of Kalam databases.
//
//	kalam PATH [SQL]              run statements, or read them from standard input
//	kalam dump PATH [NAMESPACE…]  print a database, or with -user what a user has, as SQL text that MySQL also reads
//	kalam load PATH [FILE]        run a dump, or any SQL text
//	kalam check PATH              look for damage in all tables
//	kalam backup PATH DIR         add a backup to a directory
//	kalam restore DIR PATH        make a database of a backup
//	kalam salvage DIR OUT         make a database of what is readable of a damaged one
//	kalam verify DIR              compare the checksums of a directory's backups
//
// Each command has flags, which -h lists; they come before the arguments. Those that run
// SQL or read tables sign in as the user of -as, the owner by default, with the password of
// the environment variable KALAM_PASSWORD or the file of -password-file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	_ "time/tzdata"

	"github.com/kalamgo/kalam/engine"
)

// program is the surroundings of a command.
type program struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // in is one
	password string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	info, err := os.Stdin.Stat()
	p := program{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
		password: os.Getenv("KALAM_PASSWORD")}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// errUsage is returned when the arguments make no sense; what is wrong was told.
var errUsage = errors.New("usage")

// errFound is returned when a check found something, which was told.
var errFound = errors.New("found")

var commands = map[string]func(*program, context.Context, []string) error{
	"dump": (*program).dump, "load": (*program).load, "check": (*program).check,
	"backup": (*program).backup, "restore": (*program).restore, "verify": (*program).verify,
	"salvage": (*program).salvage,
}

// run returns the exit status: 1 for a failure, 2 for arguments that make no
// sense.
func (p *program) run(ctx context.Context, args []string) int {
	command := (*program).shell
	if len(args) > 0 && commands[args[0]] != nil {
		command, args = commands[args[0]], args[1:]
	}
	switch err := command(p, ctx, args); {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errFound):
		return 1
	default:
		fmt.Fprintln(p.err, "kalam:", err)
		return 1
	}
}

// flags returns the flags of a command whose arguments usage describes.
func (p *program) flags(usage string) *flag.FlagSet {
	f := flag.NewFlagSet("kalam", flag.ContinueOnError)
	f.SetOutput(p.err)
	f.Usage = func() {
		fmt.Fprintln(p.err, "usage: kalam", usage)
		f.PrintDefaults()
	}
	return f
}

// parse parses args, of which least to most must be left, most of -1 meaning any.
func parse(f *flag.FlagSet, args []string, least, most int) error {
	if f.Parse(args) != nil {
		return errUsage // it was told
	}
	if n := f.NArg(); n < least || most >= 0 && n > most {
		f.Usage()
		return errUsage
	}
	return nil
}

// account is whom a command signs in as.
type account struct {
	p        *program
	flags    *flag.FlagSet
	as, file *string
}

// account adds the flags that say whom a command signs in as.
func (p *program) account(f *flag.FlagSet) *account {
	return &account{p, f, f.String("as", "", "the name of the user to sign in as; the owner, system, by default"),
		f.String("password-file", "", "the file whose first line is the password; else the environment variable KALAM_PASSWORD has it")}
}

// config adds name and password to how a session begins.
func (a *account) config(cfg engine.SessionConfig) (engine.SessionConfig, error) {
	if given(a.flags, "as") && *a.as == "" {
		fmt.Fprintln(a.p.err, "kalam: -as names no user; the owner is -as system")
		return cfg, errUsage
	}
	cfg.User, cfg.Password, cfg.Zone = *a.as, a.p.password, time.UTC
	if *a.file != "" {
		text, err := os.ReadFile(*a.file)
		if err != nil {
			return cfg, err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		cfg.Password = strings.TrimSuffix(line, "\r")
	}
	return cfg, nil
}

// with opens a database and calls f with a session of it.
func (a *account) with(ctx context.Context, cfg engine.Config, f func(*engine.Engine, *engine.Session) error) (err error) {
	session, err := a.config(engine.SessionConfig{})
	if err != nil {
		return err
	}
	e, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	s, err := e.NewSession(session)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(e, s)
}

// each calls f with the rows of a query as text; a NULL is nil.
func each(ctx context.Context, s *engine.Session, sql string, f func(row []*string) error) error {
	rows, err := s.Query(ctx, sql, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		b, err := rows.Next(ctx)
		if err != nil || b.Len == 0 {
			return err
		}
		for i := range b.Len {
			if err := f(texts(b, i)); err != nil {
				return err
			}
		}
	}
}
