package service

import (
	"context"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// namesOf returns the names within t's definition that its namespace has once.
func namesOf(t *schema.Table) []sqlmeta.NameKey {
	if t == nil {
		return nil
	}
	var list []sqlmeta.NameKey
	for i := range t.Checks {
		list = append(list, sqlmeta.NameKey{Namespace: t.Namespace, Kind: sqlmeta.CheckName, Name: t.Checks[i].Name})
	}
	for i := range t.ForeignKeys {
		list = append(list, sqlmeta.NameKey{Namespace: t.Namespace, Kind: sqlmeta.ForeignKeyName, Name: t.ForeignKeys[i].Name})
	}
	for i := range t.Triggers {
		list = append(list, sqlmeta.NameKey{Namespace: t.Namespace, Kind: sqlmeta.TriggerName, Name: t.Triggers[i].Name})
	}
	return list
}

// referencesOf returns the tables that t references.
func referencesOf(t *schema.Table) []sqlmeta.Reference {
	if t == nil {
		return nil
	}
	var list []sqlmeta.Reference
	for i := range t.ForeignKeys {
		f := &t.ForeignKeys[i]
		if r := (sqlmeta.Reference{Namespace: f.Namespace, Table: f.Table, Child: t.ID}); !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

// index keeps what is found by names up to date: a table's definition, nil
// when there is none, becomes another.
func index(ctx context.Context, tx *store.Tx, old, t *schema.Table) error {
	before, after := namesOf(old), namesOf(t)
	for _, k := range before {
		if !slices.Contains(after, k) {
			if err := sqlmeta.RemoveName(ctx, tx, k); err != nil {
				return err
			}
		}
	}
	for _, k := range after {
		if !slices.Contains(before, k) {
			if err := sqlmeta.AddName(ctx, tx, sqlmeta.Name{NameKey: k, TableID: t.ID}); err != nil {
				return err
			}
		}
	}
	return indexReferences(ctx, tx, referencesOf(old), referencesOf(t))
}

func indexReferences(ctx context.Context, tx *store.Tx, before, after []sqlmeta.Reference) error {
	for _, r := range before {
		if !slices.Contains(after, r) {
			if err := sqlmeta.RemoveReference(ctx, tx, r); err != nil {
				return err
			}
		}
	}
	for _, r := range after {
		if !slices.Contains(before, r) {
			if err := sqlmeta.AddReference(ctx, tx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// renameGenerated gives the constraints of t, which was called old, the names
// that they would have been given under its present one.
func renameGenerated(t *schema.Table, old string) {
	for i := range t.Checks {
		renamed(&t.Checks[i].Name, "_chk_", old, t.Name)
	}
	for i := range t.ForeignKeys {
		renamed(&t.ForeignKeys[i].Name, "_ibfk_", old, t.Name)
	}
}

func renamed(name *string, infix, old, new string) {
	if _, ok := generatedNumber(old, infix, *name); ok && old != new {
		*name = new + strings.ToLower((*name)[len(old):len(old)+len(infix)]) + (*name)[len(old)+len(infix):]
	}
}
