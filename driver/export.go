package driver

import (
	"context"
	"database/sql"
	"errors"
	"io"

	"github.com/kalamgo/kalam/engine/dump"
)

// ExportUser is kalam.ExportUser.
func ExportUser(ctx context.Context, db *sql.DB, user string, w io.Writer) error {
	return withConn(ctx, db, func(c *conn) error {
		return errors.Join(dump.User(ctx, c.session, w, user), c.session.Reset())
	})
}
