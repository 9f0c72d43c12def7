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
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false
	}
	salt, err1 := encoding.DecodeString(parts[4])
	key, err2 := encoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) < 16 || lanes == 0 || passes == 0 || passes > maxPasses || memory > maxMemoryKiB {
		return false
	}
	return subtle.ConstantTimeCompare(key, derive(password, salt, passes, memory, lanes, uint32(len(key)))) == 1
}

func derive(password string, salt []byte, passes, memory uint32, lanes uint8, n uint32) []byte {
	one.Lock()
	defer one.Unlock()
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, n)
}
