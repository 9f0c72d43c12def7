package password

import (
	"strings"
	"testing"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	for _, pw := range []string{"", "ä\x00\xff"} {
		h := Hash(pw)
		if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || pw != "" && strings.Contains(h, pw) {
			t.Errorf("%.20q is kept as %s", pw, h)
		}
		if !Verify(h, pw) || Verify(h, pw+"x") {
			t.Errorf("%.20q is told apart wrongly", pw)
		}
		if Hash(pw) == h {
			t.Error("two hashes of a password are the same: there is no salt")
		}
	}
}

// TestKnownHash verifies a hash that the reference implementation made
// (argon2 of "password" with "somesalt", 65536 KiB, 2 passes, 1 lane).
func TestKnownHash(t *testing.T) {
	t.Parallel()
	const known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if !Verify(known, "password") || Verify(known, "Password") {
		t.Error("a hash of the reference implementation is not understood")
	}
}

func TestNoHash(t *testing.T) {
	t.Parallel()
	for _, h := range []string{
		"", "$", "secret", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=65536,t=2,p=1$!$!",
	} {
		if Verify(h, "password") || Verify(h, "") {
			t.Errorf("%q is taken for a hash", h)
		}
	}
}
