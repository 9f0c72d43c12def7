package expr

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/types"
)

// TestIdentifiersRise checks the form of identifiers, that each is after the one before
// it, and that goroutines together make none twice.
func TestIdentifiersRise(t *testing.T) {
	t.Parallel()
	env := &Env{Node: 5}
	for name, form := range map[string]string{
		"uuid_v7":      `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"ulid":         `^[0-7][0-9A-HJKMNP-TV-Z]{25}$`,
		"snowflake_id": `^[0-9]{18,19}$`,
		"uuid_short":   `^[0-9]{17,20}$`,
	} {
		f, want := natives[name], regexp.MustCompile(form)
		value := func() types.Value {
			v, err := f.eval(&nativeCall{env: env})
			if err != nil {
				t.Error(err)
			}
			return v
		}
		last := value()
		for range 10000 { // more than a millisecond's counter has
			next := value()
			if types.Compare(f.result, last, next) >= 0 {
				t.Fatalf("%s: %s after %s", name, types.Format(f.result, next), types.Format(f.result, last))
			}
			last = next
		}
		if text := types.Format(f.result, last); !want.MatchString(text) {
			t.Errorf("%s gives %s", name, text)
		}
		var wg sync.WaitGroup
		seen := make(chan string, 4000)
		for range 4 {
			wg.Go(func() {
				for range 1000 {
					seen <- types.Format(f.result, value())
				}
			})
		}
		wg.Wait()
		close(seen)
		all := map[string]bool{}
		for s := range seen {
			if all[s] {
				t.Errorf("%s made %s twice", name, s)
			}
			all[s] = true
		}
	}
}

func TestSnowflakeParts(t *testing.T) {
	t.Parallel()
	id := newSnowflake(1023)
	at := time.UnixMilli(id>>22 + snowflakeEpoch)
	if d := time.Since(at); d > time.Minute || d < -time.Minute {
		t.Errorf("its time is %v", at)
	}
	if node := id >> 12 & 1023; node != 1023 {
		t.Errorf("its node is %d", node)
	}
}
