// Package password keeps passwords as argon2id hashes.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// What a hash costs, by the first of OWASP's recommendations: 19 MiB, twice.
const (
	memoryKiB = 19 << 10
	passes    = 2
	lanes     = 1
	saltBytes = 16
	keyBytes  = 32
)

// The most that a stored hash may ask for, so that a damaged one takes no machine
// down.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
)

// one lets a single hash be computed at a time, so that many guesses at once do not
// take memory.
var one sync.Mutex

var encoding = base64.RawStdEncoding.Strict()

// Hash returns what is kept of a password, in the form that all argon2 libraries
// know: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func Hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	key := derive(password, salt, passes, memoryKiB, lanes, keyBytes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memoryKiB, passes, lanes,
		encoding.EncodeToString(salt), encoding.EncodeToString(key))
}

// Verify reports whether a hash is of a password. What is no hash is of none.
func Verify(hash, password string) bool {
	h, ok := parse(hash)
	return ok && subtle.ConstantTimeCompare(h.key, derive(password, h.salt, h.passes, h.memory, h.lanes, uint32(len(h.key)))) == 1
}

// Valid reports whether a text is a hash that Verify takes.
func Valid(hash string) bool {
	_, ok := parse(hash)
	return ok
}

// parts are what a hash is made of.
type parts struct {
	memory, passes uint32
	lanes          uint8
	salt, key      []byte
}

func parse(hash string) (h parts, ok bool) {
	f := strings.Split(hash, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil {
		return h, false
	}
	var err1, err2 error
	h.salt, err1 = encoding.DecodeString(f[4])
	h.key, err2 = encoding.DecodeString(f[5])
	return h, err1 == nil && err2 == nil && len(h.key) >= 16 && h.lanes > 0 && h.passes > 0 && h.passes <= maxPasses && h.memory <= maxMemoryKiB
}

func derive(password string, salt []byte, passes, memory uint32, lanes uint8, n uint32) []byte {
	one.Lock()
	defer one.Unlock()
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, n)
}
