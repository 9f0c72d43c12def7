//go:build !linux

package engine

import "os"

// exchange gives two paths each other's names.
func exchange(a, b string) error {
	between := a + ".old"
	if err := os.Rename(b, between); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		os.Rename(between, b)
		return err
	}
	return os.Rename(between, a)
}
