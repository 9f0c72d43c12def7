package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

//go:embed attacks.sql
var attacksText string

// attack is a block of attacks.sql.
type attack struct {
	name  string
	lines []line
}

type line struct{ who, statement string }

func attacks() (list []attack) {
	for l := range strings.Lines(attacksText) {
		l = strings.TrimSpace(l)
		switch {
		case l == "", strings.HasPrefix(l, "--"):
			continue
		case strings.HasPrefix(l, "# "):
			list = append(list, attack{name: l[2:]})
			continue
		}
		who, statement, said := strings.Cut(l, ": ")
		switch who {
		case "owner", "victim", "elsewhere", "fails":
		default:
			said = false
		}
		if !said {
			who, statement = "", l
		}
		a := &list[len(list)-1]
		a.lines = append(a.lines, line{who, statement})
	}
	return list
}

// actors are those who take part in an attack in one world.
type actors struct {
	w                      *world
	one, elsewhere, owners *sql.Conn
}

func (w *world) actors(ctx context.Context) (a *actors, err error) {
	a = &actors{w: w}
	for _, c := range []**sql.Conn{&a.one, &a.elsewhere, &a.owners} {
		if *c, err = w.db.Conn(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *actors) close() error {
	return errors.Join(a.one.Close(), a.elsewhere.Close(), a.owners.Close())
}

// play runs a line. It returns what mallory sees of it, and why it failed.
func (a *actors) play(ctx context.Context, l line) (seen string, err error) {
	switch l.who {
	case "owner":
		_, err = observe(ctx, a.owners, l.statement)
		return "", err
	case "victim", "elsewhere":
		on := a.one
		if l.who == "elsewhere" {
			on = a.elsewhere
		}
		if !a.w.full {
			// That the connection served another user is no secret.
			_, err = observe(kalam.WithUser(ctx, "nobody"), on, "DO 0")
		} else {
			// All of them, so that the one whose rows mallory could reach is among them.
			for _, v := range victims {
				if _, e := observe(kalam.WithUser(ctx, v), on, l.statement); e != nil {
					err = fmt.Errorf("as user %.20q: %w", v, e)
				}
			}
		}
		return "", err
	}
	seen, err = observe(kalam.WithUser(ctx, mallory), a.one, l.statement)
	if l.who == "fails" {
		if err == nil {
			return seen, errors.New("it did not fail")
		}
		return seen, nil
	}
	return seen, err
}

// run plays the attack in a world with others' rows and in one without, and
// returns how mallory can tell them apart, or what mallory did to the others.
func (a attack) run(ctx context.Context) (err error) {
	var worlds [2]*world
	var cast [2]*actors
	for i := range worlds {
		if worlds[i], err = newWorld(ctx, i == 1); err != nil {
			return err
		}
		defer worlds[i].db.Close()
		if cast[i], err = worlds[i].actors(ctx); err != nil {
			return err
		}
	}
	quiet := a.quiet()
	var before []string
	if quiet {
		if before, err = worlds[1].exports(ctx); err != nil {
			return err
		}
	}
	var bad []error
	for _, l := range a.lines {
		var seen [2]string
		for i := range cast {
			if seen[i], err = cast[i].play(ctx, l); err != nil {
				bad = append(bad, fmt.Errorf("%s: %s: %w", l.who, l.statement, err))
			}
		}
		if seen[0] != seen[1] {
			bad = append(bad, fmt.Errorf("%s: with others' rows (+) it is another answer than without (-):\n%s", l.statement, cmp.Diff(seen[0], seen[1])))
		}
		if strings.Contains(seen[1], secret) && !strings.Contains(seen[0], secret) {
			bad = append(bad, fmt.Errorf("%s: it shows a secret", l.statement))
		}
	}
	for i := range cast {
		if err := cast[i].close(); err != nil {
			bad = append(bad, err)
		}
	}
	if quiet {
		after, err := worlds[1].exports(ctx)
		if err != nil {
			return errors.Join(append(bad, err)...)
		}
		for i, v := range victims {
			if d := cmp.Diff(before[i], after[i]); d != "" {
				bad = append(bad, fmt.Errorf("user %.20q has other rows than before: %s", v, d))
			}
		}
	}
	return errors.Join(bad...)
}

// quiet reports whether the victims do nothing, and the text of their rows stays.
func (a attack) quiet() bool {
	for _, l := range a.lines {
		if l.who == "victim" || l.who == "elsewhere" || strings.HasPrefix(l.statement, "ALTER TABLE") {
			return false
		}
	}
	return true
}
