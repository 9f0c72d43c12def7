package engine

import "golang.org/x/sys/unix"

// exchange gives two paths each other's names, at once.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
