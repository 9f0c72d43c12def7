//go:build race

package main

// The race detector takes several times the memory.
func init() { testLimit *= 10 }
