package sqlmeta

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// GranteeKind is what privileges are granted to.
type GranteeKind string

// The kinds of grantees.
const (
	ToRole GranteeKind = "role"
	ToUser GranteeKind = "user"
)

// GrantKey says who has privileges on what.
type GrantKey struct {
	Kind    GranteeKind
	Grantee string // a role's name or a user's id
	// Namespace and TableID: both empty, everything; one of them, that.
	Namespace string `json:",omitempty"`
	TableID   uint32 `json:",omitempty"`
}

// Grant is privileges that were granted. It is no row of a system table: SHOW GRANTS
// shows it.
type Grant struct {
	GrantKey
	Privileges []string // by MySQL's names
}

var grants = &Records[GrantKey, Grant]{
	name: "grants", id: 0xf3,
	encode: func(dst []byte, k GrantKey) []byte {
		return binary.BigEndian.AppendUint32(appendString(appendString(appendString(dst, string(k.Kind)), k.Grantee), k.Namespace), k.TableID)
	},
	key: func(r *Grant) GrantKey { return r.GrantKey },
}

// GrantsOf calls f with all that was granted to a role or user, until f fails.
func GrantsOf(ctx context.Context, rd kv.Reader, kind GranteeKind, grantee string, f func(*Grant) error) error {
	prefix := appendString(appendString([]byte{space, grants.id, primary}, string(kind)), grantee)
	return scan(ctx, rd, prefix, func(v []byte) error {
		g, err := grants.decode(v)
		if err != nil {
			return err
		}
		return f(g)
	})
}

// GetGrant returns what is granted; nil: nothing.
func GetGrant(ctx context.Context, rd kv.Reader, k GrantKey) (*Grant, error) {
	g, err := grants.Get(ctx, rd, k)
	if errors.Is(err, sqlerr.NoSuchRecord) {
		return nil, nil
	}
	return g, err
}

// PutGrant keeps a grant in the place of the one before; one of no privileges
// removes it.
func PutGrant(ctx context.Context, rw kv.ReadWriter, g *Grant) error {
	key := grants.primaryKey(g.GrantKey)
	if len(g.Privileges) == 0 {
		rw.Delete(kv.Meta, key)
		return nil
	}
	return grants.put(rw, [][]byte{key}, g)
}

// RemoveGrants removes the grants for which f is true, such as those of a table that
// is dropped.
func RemoveGrants(ctx context.Context, rw kv.ReadWriter, f func(*Grant) bool) error {
	var gone []GrantKey
	err := grants.ScanAll(ctx, rw, func(g *Grant) error {
		if f(g) {
			gone = append(gone, g.GrantKey)
		}
		return nil
	})
	for _, k := range gone {
		if err == nil {
			err = grants.Delete(ctx, rw, k)
		}
	}
	return err
}
