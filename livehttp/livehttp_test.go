package livehttp_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/livehttp"
)

// open makes a database with some messages.
func open(t *testing.T) *sql.DB {
	db, err := sql.Open("kalam", filepath.Join(t.TempDir(), "test.kdb"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec(t, db, `CREATE TABLE messages (id BIGINT PRIMARY KEY, room INT, body TEXT);
		CREATE USER TABLE notes (id INT PRIMARY KEY, body TEXT);
		INSERT INTO messages VALUES (1, 7, 'one'), (2, 8, 'elsewhere'), (9007199254740993, 7, 'three')`)
	return db
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// serve runs a server of the messages of a room and of the notes of ?user=.
func serve(t *testing.T, db *sql.DB, set func(*livehttp.Handler)) *httptest.Server {
	mux := http.NewServeMux()
	rooms := &livehttp.Handler{DB: db, Query: func(r *http.Request) (*livehttp.Query, error) {
		if r.PathValue("room") == "secret" {
			return nil, errors.New("not for you")
		}
		return &livehttp.Query{SQL: "SELECT id, body FROM messages WHERE room = ?", Args: []any{r.PathValue("room")}}, nil
	}}
	if set != nil {
		set(rooms)
	}
	mux.Handle("/rooms/{room}", rooms)
	mux.Handle("/notes", as(&livehttp.Handler{DB: db, Query: func(*http.Request) (*livehttp.Query, error) {
		return &livehttp.Query{SQL: "SELECT body FROM notes", Options: []kalam.SubscribeOption{kalam.WithOld()}}, nil
	}}))
	mux.Handle("/broken", &livehttp.Handler{DB: db, Query: func(*http.Request) (*livehttp.Query, error) {
		return &livehttp.Query{SQL: "SELECT COUNT(*) FROM notes"}, nil
	}})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// as is the middleware that knows the user.
func as(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(kalam.WithUser(r.Context(), r.URL.Query().Get("user"))))
	})
}

// stream is an open event stream.
type stream struct {
	t    *testing.T
	body io.Closer
	in   *bufio.Reader
}

func listen(t *testing.T, url, lastEventID string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s: %s", resp.Status, resp.Header.Get("Content-Type"), body)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &stream{t, resp.Body, bufio.NewReader(resp.Body)}
}

// next returns the next event as it stands in the stream; comments are passed over.
func (s *stream) next() string {
	s.t.Helper()
	var event []string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("after %q: %v", event, err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line != "" && !strings.HasPrefix(line, ":"):
			event = append(event, line)
		case line == "" && len(event) > 0:
			return strings.Join(event, "\n")
		}
	}
}

// seqOf returns the number in a message.
func seqOf(t *testing.T, message string) uint64 {
	t.Helper()
	var m struct {
		Seq uint64 `json:"seq"`
	}
	_, data, _ := strings.Cut(message, "data: ")
	if err := json.Unmarshal([]byte(data), &m); err != nil || m.Seq == 0 {
		t.Fatalf("%s: %v", message, err)
	}
	return m.Seq
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

// TestEvents has rows that are there, changes, and resumes after a break in the middle of a commit.
func TestEvents(t *testing.T) {
	t.Parallel()
	db := open(t)
	url := serve(t, db, nil).URL + "/rooms/7"
	s := listen(t, url, "")
	start := s.next()
	seq := uint64(0)
	if _, err := fmt.Sscanf(start, `data: {"type":"start","columns":["id","body"],"seq":%d,"resumed":false}`, &seq); err != nil {
		t.Fatal(start)
	}
	same(t, s.next(), fmt.Sprintf(`data: {"type":"initial","seq":%d,"row":{"id":1,"body":"one"}}`, seq))
	same(t, s.next(), fmt.Sprintf(`data: {"type":"initial","seq":%d,"row":{"id":"9007199254740993","body":"three"}}`, seq))
	exec(t, db, "INSERT INTO messages VALUES (4, 7, 'a \"b\"\n'), (5, 7, NULL)")
	m := s.next()
	first := seqOf(t, m)
	same(t, m, fmt.Sprintf(`data: {"type":"insert","seq":%d,"row":{"id":4,"body":"a \"b\"\n"}}`, first))
	same(t, s.next(), fmt.Sprintf("id: %d\ndata: "+`{"type":"insert","seq":%[1]d,"last":true,"row":{"id":5,"body":null}}`, first))
	exec(t, db, "UPDATE messages SET room = 8 WHERE id = 1")
	m = s.next()
	second := seqOf(t, m)
	same(t, m, fmt.Sprintf("id: %d\ndata: "+`{"type":"delete","seq":%[1]d,"last":true,"row":{"id":1,"body":"one"}}`, second))
	s.body.Close()

	s = listen(t, url, fmt.Sprint(first))
	same(t, s.next(), fmt.Sprintf(`data: {"type":"start","columns":["id","body"],"seq":%d,"resumed":true}`, first))
	same(t, s.next(), m)

	// What is not known any more is begun afresh.
	s = listen(t, url, "18446744073709551615")
	if start := s.next(); !strings.Contains(start, `"resumed":false`) {
		t.Fatal(start)
	}
	if m := s.next(); !strings.Contains(m, `"initial"`) {
		t.Fatal(m)
	}
}

// TestUsers checks that each user gets his own rows.
func TestUsers(t *testing.T) {
	t.Parallel()
	db := open(t)
	url := serve(t, db, nil).URL + "/notes?user="
	ann, bob := listen(t, url+"ann", ""), listen(t, url+"bob", "")
	ann.next()
	bob.next()
	for _, user := range []string{"bob", "ann"} {
		ctx := kalam.WithUser(t.Context(), user)
		for _, q := range []string{"INSERT INTO notes VALUES (1, 'of " + user + "')", "UPDATE notes SET body = 'changed'"} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
	}
	for user, s := range map[string]*stream{"ann": ann, "bob": bob} {
		if m := s.next(); !strings.Contains(m, `"row":{"body":"of `+user+`"}}`) {
			t.Fatal(m)
		}
		if m := s.next(); !strings.Contains(m, `"row":{"body":"changed"},"old":{"body":"of `+user+`"}}`) {
			t.Fatal(m)
		}
	}
}

// TestRefused has requests that get no live query.
func TestRefused(t *testing.T) {
	t.Parallel()
	url := serve(t, open(t), nil).URL
	for _, c := range []struct {
		method, path, id string
		status           int
	}{
		{"GET", "/rooms/secret", "", http.StatusForbidden},
		{"POST", "/rooms/7", "", http.StatusMethodNotAllowed},
		{"GET", "/rooms/7", "x", http.StatusBadRequest},
		{"GET", "/rooms/7", "-1", http.StatusBadRequest},
		{"GET", "/broken", "", http.StatusInternalServerError},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-ID", c.id)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %s, want %d", c.method, c.path, resp.Status, c.status)
		}
		if strings.Contains(string(body), "COUNT") {
			t.Errorf("%s tells the browser of the SQL: %s", c.path, body)
		}
	}
}

// TestEnds checks what a browser gets when the live query ends, and that nothing is left
// of one that has gone.
func TestEnds(t *testing.T) {
	t.Parallel()
	db := open(t)
	url := serve(t, db, func(h *livehttp.Handler) { h.KeepAlive = 10 * time.Millisecond }).URL + "/rooms/7"
	s := listen(t, url, "")
	for range 3 {
		s.next()
	}
	active := func() (ids []string) {
		rows, err := db.QueryContext(t.Context(), "SELECT id FROM system.live_queries")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	ids := active()
	if len(ids) != 1 {
		t.Fatal(ids)
	}
	exec(t, db, "KILL LIVE QUERY '"+ids[0]+"'")
	if m := s.next(); !strings.HasPrefix(m, `data: {"type":"error","code":`) {
		t.Fatal(m)
	}
	if _, err := io.Copy(io.Discard, s.in); err != nil {
		t.Fatal(err)
	}
	s = listen(t, url, "")
	s.next()
	s.body.Close()
	for len(active()) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the live query goes on without a browser")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestWebSocket has the same messages over a WebSocket.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	db := open(t)
	server := serve(t, db, func(h *livehttp.Handler) { h.KeepAlive = 5 * time.Millisecond })
	url := server.URL + "/rooms/7"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dial := func(url string, header http.Header) (*websocket.Conn, error) {
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
		return conn, err
	}
	conn, err := dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	next := func() string {
		t.Helper()
		kind, m, err := conn.Read(ctx)
		if err != nil || kind != websocket.MessageText {
			t.Fatal(kind, err)
		}
		return string(m)
	}
	if m := next(); !strings.HasPrefix(m, `{"type":"start"`) {
		t.Fatal(m)
	}
	next()
	next()
	exec(t, db, "DELETE FROM messages")
	m := next()
	same(t, m, fmt.Sprintf(`{"type":"delete","seq":%d,"row":{"id":1,"body":"one"}}`, seqOf(t, "data: "+m)))
	last := next()
	exec(t, db, "INSERT INTO messages VALUES (10, 7, '')")
	m = next()
	conn.Close(websocket.StatusNormalClosure, "")

	if conn, err = dial(fmt.Sprintf("%s?last_event_id=%d", url, seqOf(t, "data: "+last)), nil); err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if m := next(); !strings.Contains(m, `"resumed":true`) {
		t.Fatal(m)
	}
	same(t, next(), m)

	if _, err := dial(url, http.Header{"Origin": {"https://elsewhere.example"}}); err == nil {
		t.Fatal("a page of another host may listen")
	}
}

// TestValues has values that JSON has, and others.
func TestValues(t *testing.T) {
	t.Parallel()
	db := open(t)
	exec(t, db, `CREATE TABLE v (id INT PRIMARY KEY, j JSON, b BLOB); INSERT INTO v VALUES (1, '{"a": [1, null, "x"]}', 'b'), (2, NULL, NULL)`)
	server := httptest.NewServer(&livehttp.Handler{DB: db, Query: func(*http.Request) (*livehttp.Query, error) {
		return &livehttp.Query{SQL: "SELECT * FROM v", Options: []kalam.SubscribeOption{kalam.WithOld()}}, nil
	}})
	t.Cleanup(server.Close)
	s := listen(t, server.URL, "")
	start := s.next()
	seq := seqOf(t, start)
	same(t, s.next(), fmt.Sprintf(`data: {"type":"initial","seq":%d,"row":{"id":1,"j":{"a": [1, null, "x"]},"b":"Yg=="}}`, seq))
	same(t, s.next(), fmt.Sprintf(`data: {"type":"initial","seq":%d,"row":{"id":2,"j":null,"b":null}}`, seq))
	exec(t, db, `UPDATE v SET j = '"y"' WHERE id = 1`)
	next := s.next()
	same(t, next[strings.Index(next, `"row"`):], `"row":{"id":1,"j":"y","b":"Yg=="},"old":{"id":1,"j":{"a": [1, null, "x"]},"b":"Yg=="}}`)
}
