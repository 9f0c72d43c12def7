package main

import "math/rand/v2"

// choices is where a generator's decisions come from: a random source, which
// notes them, or notes to be followed. Zero stands for the simplest choice and
// is what comes after the last note, so that leaving out and lowering notes
// makes what is generated simpler (as in MacIver and Donaldson, "Test-Case
// Reduction via Test-Case Generation", ECOOP 2020).
type choices struct {
	rng   *rand.Rand // nil: follow notes
	notes []int
	used  int
}

func newChoices(seed uint64) *choices {
	return &choices{rng: rand.New(rand.NewPCG(seed, 0))}
}

// below returns a number from 0 to n-1.
func (c *choices) below(n int) int {
	if c.rng != nil {
		x := c.rng.IntN(n)
		c.notes = append(c.notes, x)
		return x
	}
	c.used++
	if c.used > len(c.notes) {
		return 0
	}
	return c.notes[c.used-1] % n
}

// chance is true in so many of 100 cases.
func (c *choices) chance(percent int) bool { return c.below(100) >= 100-percent }

// pick returns one of list, the simplest first.
func pick[T any](c *choices, list ...T) T { return list[c.below(len(list))] }

// reduce returns the simplest notes that it finds for which fails is true still,
// asking at most so many times.
func reduce(notes []int, budget int, fails func([]int) bool) []int {
	try := func(list []int) bool {
		if budget == 0 {
			return false
		}
		budget--
		if fails(list) {
			notes = list
			return true
		}
		return false
	}
	for changed := true; changed && budget > 0; {
		changed = false
		for size := max(len(notes)/2, 1); size > 0; size /= 2 {
			for at := 0; at+size <= len(notes); {
				shorter := append(append([]int{}, notes[:at]...), notes[at+size:]...)
				if try(shorter) {
					changed = true
				} else {
					at += size
				}
			}
		}
		for i := 0; i < len(notes); i++ {
			for _, lower := range []int{0, notes[i] / 2, notes[i] - 1} {
				if lower < 0 || lower >= notes[i] {
					continue
				}
				simpler := append([]int{}, notes...)
				simpler[i] = lower
				if try(simpler) {
					changed = true
					break
				}
			}
		}
	}
	return notes
}
