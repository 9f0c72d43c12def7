package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// start serves a new database.
func start(t *testing.T) *httptest.Server {
	t.Helper()
	db, err := open(t.Context(), filepath.Join(t.TempDir(), "chat.kdb"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(newChat(db))
	t.Cleanup(func() {
		s.Close()
		db.Close()
	})
	return s
}

// browser is a user's.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func enter(t *testing.T, s *httptest.Server, name string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t, s.URL, &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	b.must("POST", "/login", url.Values{"name": {name}})
	return b
}

// call returns the status and the body of an answer.
func (b *browser) call(method, path string, fields url.Values) (int, string) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func (b *browser) must(method, path string, fields url.Values) string {
	b.t.Helper()
	status, body := b.call(method, path, fields)
	if status != http.StatusOK {
		b.t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	return body
}

func (b *browser) join(name string) (id int64) {
	b.t.Helper()
	var r room
	if err := json.Unmarshal([]byte(b.must("POST", "/rooms", url.Values{"name": {name}})), &r); err != nil {
		b.t.Fatal(err)
	}
	return r.ID
}

func (b *browser) say(room int64, text string) {
	b.t.Helper()
	b.must("POST", fmt.Sprintf("/rooms/%d/messages", room), url.Values{"text": {text}})
}

// reads returns what a user sees in a room, as "author: text".
func (b *browser) reads(room int64) (lines []string, list []message) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.must("GET", fmt.Sprintf("/rooms/%d/messages", room), nil)), &list); err != nil {
		b.t.Fatal(err)
	}
	for _, m := range list {
		lines = append(lines, m.Author+": "+m.Text)
	}
	return lines, list
}

func (b *browser) sees(room int64, want ...string) {
	b.t.Helper()
	if got, _ := b.reads(room); strings.Join(got, "|") != strings.Join(want, "|") {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

func TestChat(t *testing.T) {
	t.Parallel()
	s := start(t)
	alice, bob, eve := enter(t, s, "alice"), enter(t, s, "bob & co; 漢"), enter(t, s, "eve")
	garden := alice.join("garden")
	if got := bob.join("garden"); got != garden {
		t.Errorf("bob is in room %d, alice in %d", got, garden)
	}
	cellar := eve.join("cellar")
	alice.say(garden, "hello <b>bob</b>")
	bob.say(garden, "hi '; DROP TABLE messages; --")
	both := []string{"alice: hello <b>bob</b>", "bob & co; 漢: hi '; DROP TABLE messages; --"}
	alice.sees(garden, both...)
	bob.sees(garden, both...)
	eve.sees(garden)
	if got := alice.must("GET", "/rooms", nil); got != fmt.Sprintf(`[{"id":%d,"name":"garden","members":2}]`+"\n", garden) {
		t.Error(got)
	}

	// Eve is not in the garden, and nobody in the cellar but her.
	for path, fields := range map[string]url.Values{"/messages": {"text": {"x"}}, "/typing": nil} {
		if status, _ := eve.call("POST", fmt.Sprintf("/rooms/%d%s", garden, path), fields); status != http.StatusForbidden {
			t.Errorf("POST of eve to %s: %d", path, status)
		}
	}
	eve.say(cellar, "alone")
	alice.sees(cellar)

	// Copies are each user's own.
	_, list := alice.reads(garden)
	first := fmt.Sprintf("/messages/%d", list[0].ID)
	alice.must("DELETE", first, nil)
	alice.sees(garden, both[1])
	bob.sees(garden, both...)
	if status, _ := alice.call("DELETE", first, nil); status != http.StatusNotFound {
		t.Errorf("deleted twice: %d", status)
	}
	if status, _ := eve.call("POST", first+"/restore", nil); status != http.StatusNotFound {
		t.Errorf("restored by eve: %d", status)
	}
	alice.must("POST", first+"/restore", nil)
	alice.sees(garden, both...)

	// What is kept of eve has nothing of others.
	if got := eve.must("GET", "/export", nil); strings.Contains(got, "alice") || !strings.Contains(got, "'eve'") || !strings.Contains(got, "alone") {
		t.Error(got)
	}
}

func TestTyping(t *testing.T) {
	t.Parallel()
	s := start(t)
	alice, bob := enter(t, s, "alice"), enter(t, s, "bob")
	room := alice.join("r")
	bob.join("r")
	path := fmt.Sprintf("/rooms/%d/typing", room)
	bob.must("POST", path, nil)
	bob.must("POST", path, nil)
	begun := time.Now()
	if got := alice.must("GET", path, nil); got != "[\"bob\"]\n" {
		t.Error(got)
	}
	if got := bob.must("GET", path, nil); got != "[]\n" {
		t.Errorf("bob sees himself: %s", got)
	}
	for alice.must("GET", path, nil) != "[]\n" {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("bob types for ever")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if took := time.Since(begun); took < 4*time.Second {
		t.Errorf("the event was gone after %v", took)
	}
}

// TestCrowd lets many users talk at once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	s := start(t)
	const users, texts = 8, 10
	room := enter(t, s, "first").join("crowd")
	var crowd []*browser
	for i := range users {
		b := enter(t, s, fmt.Sprint("user", i))
		b.join("crowd")
		crowd = append(crowd, b)
	}
	var wg sync.WaitGroup
	for _, b := range crowd {
		wg.Go(func() {
			for k := range texts {
				if status, body := b.call("POST", fmt.Sprintf("/rooms/%d/messages", room), url.Values{"text": {fmt.Sprint(k)}}); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	wg.Wait()
	for i, b := range crowd {
		lines, _ := b.reads(room)
		for u := range users {
			n := 0
			for _, l := range lines {
				if l == fmt.Sprintf("user%d: %d", u, n) {
					n++
				}
			}
			if n != texts {
				t.Errorf("user %d has %d texts of user %d in order", i, n, u)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	nobody := &browser{t, s.URL, http.DefaultClient}
	if body := nobody.must("GET", "/", nil); !strings.Contains(body, "<title>Kalam chat</title>") {
		t.Error(body)
	}
	for _, path := range []string{"/rooms", "/rooms/1/messages", "/export"} {
		if status, _ := nobody.call("GET", path, nil); status != http.StatusUnauthorized {
			t.Errorf("GET %s of nobody: %d", path, status)
		}
	}
	for _, name := range []string{"", "system", strings.Repeat("x", 61)} {
		if status, _ := nobody.call("POST", "/login", url.Values{"name": {name}}); status != http.StatusBadRequest {
			t.Errorf("%q is let in: %d", name, status)
		}
	}
	alice := enter(t, s, "alice")
	alice.join("r")
	for call, want := range map[string]int{
		"GET /rooms/x/messages": 404, "DELETE /messages/99": 404, "POST /rooms/1/messages": 400, "POST /rooms": 400,
		"POST /rooms/77/messages?text=x": 403, "GET /nothing": 404, "PUT /rooms": 405,
	} {
		method, path, _ := strings.Cut(call, " ")
		if status, body := alice.call(method, path, nil); status != want {
			t.Errorf("%s: %d %s", call, status, body)
		}
	}
	// A cookie cannot make one the owner.
	r, err := http.NewRequest("GET", s.URL+"/rooms", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: userCookie, Value: owner})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("as the owner: %d", answer.StatusCode)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := run(ctx, "localhost:0", filepath.Join(t.TempDir(), "c.kdb")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
