package dbgen

// stream is one of the sequences of pseudo-random numbers that the columns'
// values are made of: Lehmer's generator, which the specification's program
// seeds for each stream in its own way. Every row uses up the same count of a
// stream's numbers, so that rows do not depend on each other.
type stream struct {
	seed   int64
	perRow int // numbers that a row uses up
	used   int
}

const (
	multiplier = 16807
	modulus    = 1<<31 - 1
)

func (s *stream) next() int64 {
	s.used++
	s.seed = s.seed * multiplier % modulus
	return s.seed
}

// between returns a number from low to high.
func (s *stream) between(low, high int64) int64 {
	return low + int64(float64(s.next())/modulus*float64(high-low+1))
}

// bits returns what letters are drawn from. In the specification's program the
// range overflows, and all data depends on it: the number is negative.
func (s *stream) bits(v Variant) int64 {
	span := float64(1 << 31)
	if v == Specification {
		span = -span
	}
	return int64(float64(s.next()) / modulus * span)
}

// endRow uses up what the row left.
func (s *stream) endRow() {
	for s.used < s.perRow {
		s.next()
	}
	s.used = 0
}

const letters = "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,"

// address returns a text of letters drawn at random.
func (s *stream) address(v Variant) string {
	const shortest, longest = 10, 40
	b := make([]byte, s.between(shortest, longest))
	var bits int64
	for i := range b {
		if i%5 == 0 {
			bits = s.bits(v)
		}
		b[i] = letters[bits&63]
		bits >>= 6
	}
	return string(b)
}
