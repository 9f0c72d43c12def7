package driver

import (
	"context"

	"github.com/kalamgo/kalam/engine"
)

// WithUser returns a context for calls that are a user's, see kalam.WithUser.
func WithUser(ctx context.Context, user string) context.Context { return engine.WithUser(ctx, user) }

// UserOf returns the user that WithUser gave to a context.
func UserOf(ctx context.Context) (user string, ok bool) { return engine.UserOf(ctx) }
