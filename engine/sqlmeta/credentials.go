package sqlmeta

import (
	"context"
	"errors"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// credential is a user's password. It is apart from the user's record, so that
// nothing that shows users can show it.
type credential struct {
	UserID string
	Hash   string
}

var credentials = &Records[string, credential]{
	name: "credentials", id: 0xf2, encode: appendString,
	key: func(r *credential) string { return r.UserID },
}

// PasswordHash returns the hash of a user's password; "": the user has none.
func PasswordHash(ctx context.Context, rd kv.Reader, userID string) (string, error) {
	c, err := credentials.Get(ctx, rd, userID)
	switch {
	case errors.Is(err, sqlerr.NoSuchRecord):
		return "", nil
	case err != nil:
		return "", err
	}
	return c.Hash, nil
}

// SetPasswordHash keeps the hash of a user's password in the place of the one
// before; "": the user has no password.
func SetPasswordHash(ctx context.Context, rw kv.ReadWriter, userID, hash string) error {
	key := credentials.primaryKey(userID)
	if hash == "" {
		rw.Delete(kv.Meta, key)
		return nil
	}
	return credentials.put(rw, [][]byte{key}, &credential{userID, hash})
}

// AnyPassword reports whether any user has a password.
func AnyPassword(ctx context.Context, rd kv.Reader) (bool, error) {
	prefix := []byte{space, credentials.id, primary}
	end, _ := keyenc.AppendSuccessor(nil, prefix)
	s := rd.Scan(kv.Meta, kv.Range{Start: prefix, End: end, Limit: 1})
	defer s.Close()
	c, err := s.Next(ctx)
	return err == nil && c.Len() > 0, err
}

// CopyUsers copies users, their passwords and all that is granted to another database,
// whose tables have the same numbers and which has no users.
func CopyUsers(ctx context.Context, from kv.Reader, to kv.ReadWriter) error {
	err := Users.ScanAll(ctx, from, func(u *User) error { return Users.Insert(ctx, to, u) })
	if err != nil {
		return err
	}
	err = credentials.ScanAll(ctx, from, func(c *credential) error { return SetPasswordHash(ctx, to, c.UserID, c.Hash) })
	if err != nil {
		return err
	}
	return grants.ScanAll(ctx, from, func(g *Grant) error { return PutGrant(ctx, to, g) })
}
