package expr

import (
	"context"
	"time"
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// NamedLocks are the locks of GET_LOCK, as a session has them.
type NamedLocks interface {
	// Get takes a lock, waiting so long for it, for ever if wait is negative, and
	// reports whether it was had.
	Get(ctx context.Context, name string, wait time.Duration) (bool, error)
	// Release gives a lock back. It reports whether the session held it, and whether
	// anybody did.
	Release(name string) (ours, held bool)
	// ReleaseAll gives all locks of the session back and returns how many they were.
	ReleaseAll() int64
	// Owner returns who holds a lock: a connection's id, 0 if it is free.
	Owner(name string) uint64
}

func lockNatives() map[string]*native {
	args := []types.Type{types.TextType, types.Float64Type}
	lock := func(eval func(*nativeCall) (types.Value, error)) *native {
		return &native{args: args, result: types.Int64Type, nulls: true, perRow: true, session: true, eval: func(c *nativeCall) (types.Value, error) {
			if c.env.Locks == nil {
				return types.Value{}, sqlerr.Unsupported("named locks here")
			}
			return eval(c)
		}}
	}
	return map[string]*native{
		"get_lock":          lock(getLock),
		"release_lock":      lock(releaseLock),
		"is_free_lock":      lock(isFreeLock),
		"is_used_lock":      lock(isUsedLock),
		"release_all_locks": lock(releaseAllLocks),
	}
}

// lockingCall returns the name and arguments of a call of one of these.
func lockingCall(n *sqlparser.LockingFunc) (string, []sqlparser.Expr) {
	var args []sqlparser.Expr
	for _, e := range []sqlparser.Expr{n.Name, n.Timeout} {
		if e != nil {
			args = append(args, e)
		}
	}
	return n.Type.ToString(), args
}

// lockName returns the first argument, which names a lock.
func (c *nativeCall) lockName() (string, error) {
	const longest = 64 // characters
	if c.args[0].IsNull() {
		return "", sqlerr.UserLockWrongName.New("Incorrect user-level lock name 'NULL'.")
	}
	name := c.args[0].Bytes()
	if n := utf8.RuneCount(name); n == 0 || n > longest {
		return "", sqlerr.UserLockWrongName.New("Incorrect user-level lock name '%s'.", name)
	}
	return string(name), nil
}

// getLock is GET_LOCK(name, seconds): 1, or 0 when the time is over.
func getLock(c *nativeCall) (types.Value, error) {
	name, err := c.lockName()
	if err != nil {
		return types.Value{}, err
	}
	wait := time.Duration(0)
	if t := c.args[1]; !t.IsNull() {
		const most = 1e9 // seconds
		wait = time.Duration(min(t.Float(), most) * float64(time.Second))
		if t.Float() < 0 {
			wait = -1
		}
	}
	ctx := c.env.Context
	if ctx == nil {
		ctx = context.Background()
	}
	got, err := c.env.Locks.Get(ctx, name, wait)
	return types.NewBool(got), err
}

// releaseLock is RELEASE_LOCK(name): 1, 0 of another's lock, NULL of nobody's.
func releaseLock(c *nativeCall) (types.Value, error) {
	name, err := c.lockName()
	if err != nil {
		return types.Value{}, err
	}
	ours, held := c.env.Locks.Release(name)
	if !held {
		return types.Value{}, nil
	}
	return types.NewBool(ours), nil
}

func isFreeLock(c *nativeCall) (types.Value, error) {
	name, err := c.lockName()
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBool(c.env.Locks.Owner(name) == 0), nil
}

// isUsedLock is IS_USED_LOCK(name): its holder's CONNECTION_ID(), or NULL.
func isUsedLock(c *nativeCall) (types.Value, error) {
	name, err := c.lockName()
	if err != nil {
		return types.Value{}, err
	}
	if id := c.env.Locks.Owner(name); id != 0 {
		return types.NewInt(int64(id)), nil
	}
	return types.Value{}, nil
}

func releaseAllLocks(c *nativeCall) (types.Value, error) {
	return types.NewInt(c.env.Locks.ReleaseAll()), nil
}
