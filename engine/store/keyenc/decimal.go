package keyenc

import (
	"bytes"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Digits of a long DECIMAL are kept two to a byte, each plus one, so that the
// nibble 0 ends them and a number that goes on sorts after its prefix.
const (
	positive     = 0x80
	maxIntDigits = 0x7f
)

// AppendDecimal appends a number given as text ("-12.50") so that bytes order
// is numeric order: a byte with the sign and the count of integer digits, then
// all digits without trailing zeros of the fraction. A negative number is its
// absolute value's encoding with all bits flipped.
func AppendDecimal(dst, text []byte) ([]byte, error) {
	neg := len(text) > 0 && text[0] == '-'
	digits := text
	if neg {
		digits = digits[1:]
	}
	whole, frac, _ := bytes.Cut(digits, []byte{'.'})
	whole = bytes.TrimLeft(whole, "0")
	frac = bytes.TrimRight(frac, "0")
	if len(whole)+len(frac) == 0 {
		neg = false
	}
	if len(digits) == 0 || len(whole) > maxIntDigits {
		return dst, sqlerr.Internal.New("bad decimal %q in a key", text)
	}
	start := len(dst)
	dst = append(dst, positive|byte(len(whole)))
	n := 0
	for _, part := range [][]byte{whole, frac} {
		for _, c := range part {
			if c < '0' || c > '9' {
				return dst[:start], sqlerr.Internal.New("bad decimal %q in a key", text)
			}
			d := c - '0' + 1
			if n&1 == 0 {
				dst = append(dst, d<<4)
			} else {
				dst[len(dst)-1] |= d
			}
			n++
		}
	}
	if n&1 == 0 {
		dst = append(dst, 0)
	}
	if neg {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst, nil
}

// CutDecimal reads what AppendDecimal wrote at the start of key, appends it to
// dst as text with scale digits after the point (more if it has more) and
// returns what follows.
func CutDecimal(dst, key []byte, scale int) (text, rest []byte, err error) {
	if len(key) == 0 {
		return dst, nil, ErrMalformed
	}
	var flip byte
	if key[0] < positive {
		flip = 0xff
		dst = append(dst, '-')
	}
	whole := int(key[0]^flip) &^ positive
	if whole == 0 {
		dst = append(dst, '0')
	}
	n := 0
	for i := 2; ; i++ {
		if i/2 >= len(key) {
			return dst, nil, ErrMalformed
		}
		d := key[i/2] ^ flip
		if i&1 == 0 {
			d >>= 4
		}
		d &= 0xf
		if d == 0 {
			rest = key[i/2+1:]
			break
		}
		if d > 10 {
			return dst, nil, ErrMalformed
		}
		if n == whole {
			dst = append(dst, '.')
		}
		dst = append(dst, '0'+d-1)
		n++
	}
	if n < whole {
		return dst, nil, ErrMalformed
	}
	if n == whole && scale > 0 {
		dst = append(dst, '.')
	}
	for ; n < whole+scale; n++ {
		dst = append(dst, '0')
	}
	return dst, rest, nil
}

func skipDecimal(key []byte, flip byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, ErrMalformed
	}
	if key[0]^flip < positive {
		flip = ^flip
	}
	for i := 1; i < len(key); i++ {
		if b := key[i] ^ flip; b>>4 == 0 || b&0xf == 0 {
			return key[i+1:], nil
		}
	}
	return nil, ErrMalformed
}
