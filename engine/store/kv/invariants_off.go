//go:build !invariants

package kv

// Invariants tells whether stores check their callers: see DB.Close.
const Invariants = false
