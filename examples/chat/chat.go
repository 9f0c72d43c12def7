package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/livehttp"
)

//go:embed page.html
var page []byte

// chat answers requests.
type chat struct{ db *sql.DB }

// newChat returns the server's handler over an open database.
func newChat(db *sql.DB) http.Handler {
	c := &chat{db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("POST /login", login)
	for pattern, h := range map[string]handler{
		"GET /rooms":                  c.rooms,
		"POST /rooms":                 c.join,
		"GET /rooms/{room}/messages":  c.messages,
		"POST /rooms/{room}/messages": c.post,
		"GET /rooms/{room}/typing":    c.typing,
		"POST /rooms/{room}/typing":   c.startTyping,
		"DELETE /messages/{id}":       c.remove,
		"POST /messages/{id}/restore": c.restore,
		"GET /export":                 c.export,
	} {
		mux.Handle(pattern, h)
	}
	mux.Handle("GET /rooms/{room}/messages/live", live(db, func(room int64, _ string) *livehttp.Query {
		return &livehttp.Query{SQL: "SELECT id, author, sent, text FROM messages WHERE room = ?", Args: []any{room},
			Options: []kalam.SubscribeOption{kalam.LastRows(500)}}
	}))
	mux.Handle("GET /rooms/{room}/typing/live", live(db, func(room int64, user string) *livehttp.Query {
		return &livehttp.Query{SQL: "SELECT who FROM typing WHERE room = ? AND who <> ?", Args: []any{room, user},
			Options: []kalam.SubscribeOption{kalam.LastRows(0)}}
	}))
	return asUser(mux)
}

// live serves a query of a room as it changes.
func live(db *sql.DB, query func(room int64, user string) *livehttp.Query) http.Handler {
	return &livehttp.Handler{DB: db, Query: func(r *http.Request) (*livehttp.Query, error) {
		user, ok := kalam.UserOf(r.Context())
		if !ok {
			return nil, errNobody
		}
		room, err := number(r.PathValue("room"))
		if err != nil {
			return nil, err
		}
		return query(room, user), nil
	}}
}

const (
	userCookie = "chat_user"
	owner      = "system" // the user that the server itself is
)

// login takes a name; a real one would ask for a proof.
func login(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" || len(name) > 60 || name == owner {
		http.Error(w, "a name of 1 to 60 bytes is wanted", http.StatusBadRequest)
		return
	}
	// Any text can be a name, but not a cookie.
	http.SetCookie(w, &http.Cookie{Name: userCookie, Value: url.QueryEscape(name), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// asUser makes each request its user's: statements with its context see what is his.
func asUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(userCookie); err == nil {
			if name, err := url.QueryUnescape(c.Value); err == nil && name != owner {
				r = r.WithContext(kalam.WithUser(r.Context(), name))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// handler answers the request of a user with JSON, nil being nothing, or an error.
type handler func(w http.ResponseWriter, r *http.Request, user string) (any, error)

// What handlers fail with beside the database's errors.
var (
	errNotFound = errors.New("not found")
	errNobody   = errors.New("say who you are")
	errNoMember = errors.New("you are not in this room")
	errNoText   = errors.New("a text of up to 10000 bytes is wanted")
)

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, ok := kalam.UserOf(r.Context())
	if !ok {
		http.Error(w, errNobody.Error(), http.StatusUnauthorized)
		return
	}
	answer, err := h(w, r, user)
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, sql.ErrNoRows):
		http.Error(w, errNotFound.Error(), http.StatusNotFound)
	case errors.Is(err, errNoMember):
		http.Error(w, err.Error(), http.StatusForbidden)
	case errors.Is(err, errNoText), errors.Is(err, kalam.ErrDataTooLong):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
		http.Error(w, "the server failed", http.StatusInternalServerError)
	case answer != nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// rowsOf returns a query's rows, each read by scan.
func rowsOf[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

type room struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Members int64  `json:"members"`
}

// rooms lists those that the user is in.
func (c *chat) rooms(_ http.ResponseWriter, r *http.Request, user string) (any, error) {
	return rowsOf(r.Context(), c.db, func(rows *sql.Rows, x *room) error { return rows.Scan(&x.ID, &x.Name, &x.Members) },
		`SELECT id, name, (SELECT COUNT(*) FROM members m WHERE m.room = rooms.id)
		 FROM rooms WHERE id IN (SELECT room FROM members WHERE user = ?) ORDER BY name`, user)
}

// join lets the user into a room, which it makes if there is none of the name.
func (c *chat) join(_ http.ResponseWriter, r *http.Request, user string) (any, error) {
	joined := room{Name: strings.TrimSpace(r.FormValue("name"))}
	if joined.Name == "" {
		return nil, errNoText
	}
	err := c.asOwner(r.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO rooms (name) VALUES (?)", joined.Name); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT id FROM rooms WHERE name = ?", joined.Name).Scan(&joined.ID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO members VALUES (?, ?)", joined.ID, user); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM members WHERE room = ?", joined.ID).Scan(&joined.Members)
	})
	return joined, err
}

// asOwner runs f in a transaction of the server's own, again where another one
// was in the way.
func (c *chat) asOwner(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	ctx = kalam.WithUser(ctx, owner)
	return kalam.RetryTx(ctx, c.db, nil, func(tx *sql.Tx) error { return f(ctx, tx) })
}

type message struct {
	ID     int64     `json:"id"`
	Author string    `json:"author"`
	Sent   time.Time `json:"sent"`
	Text   string    `json:"text"`
}

// messages lists what the user was sent in a room, after a message that he has.
func (c *chat) messages(_ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	room, err := number(r.PathValue("room"))
	if err != nil {
		return nil, err
	}
	after, _ := number(r.FormValue("after")) // 0: from the first
	return rowsOf(r.Context(), c.db, func(rows *sql.Rows, m *message) error { return rows.Scan(&m.ID, &m.Author, &m.Sent, &m.Text) },
		"SELECT id, author, sent, text FROM messages WHERE room = ? AND id > ? ORDER BY id LIMIT 500", room, after)
}

// post sends a text to all who are in a room: each gets a copy.
func (c *chat) post(_ http.ResponseWriter, r *http.Request, user string) (any, error) {
	text := r.FormValue("text")
	if text == "" || len(text) > 10000 {
		return nil, errNoText
	}
	return nil, c.forMembers(r, user, "EXECUTE AS USER ? (INSERT INTO messages (room, author, text) VALUES (?, ?, ?))", user, text)
}

// startTyping tells all who are in a room that the user is typing.
func (c *chat) startTyping(_ http.ResponseWriter, r *http.Request, user string) (any, error) {
	return nil, c.forMembers(r, user, "EXECUTE AS USER ? (INSERT INTO typing (room, who) VALUES (?, ?))", user)
}

// forMembers runs a statement as each member of the request's room, of whom the
// user must be one. Its arguments are the member, the room and args.
func (c *chat) forMembers(r *http.Request, user, statement string, args ...any) error {
	room, err := number(r.PathValue("room"))
	if err != nil {
		return err
	}
	return c.asOwner(r.Context(), func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT user FROM members WHERE room = ? ORDER BY user FOR SHARE", room)
		if err != nil {
			return err
		}
		defer rows.Close()
		var members []string
		in := false
		for rows.Next() {
			var m string
			if err := rows.Scan(&m); err != nil {
				return err
			}
			members = append(members, m)
			in = in || m == user
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if !in {
			return errNoMember
		}
		for _, m := range members {
			if _, err := tx.ExecContext(ctx, statement, append([]any{m, room}, args...)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// typing lists who types in a room: events that are older than the stream's
// TTL_SECONDS are not seen.
func (c *chat) typing(_ http.ResponseWriter, r *http.Request, user string) (any, error) {
	room, err := number(r.PathValue("room"))
	if err != nil {
		return nil, err
	}
	return rowsOf(r.Context(), c.db, func(rows *sql.Rows, who *string) error { return rows.Scan(who) },
		"SELECT DISTINCT who FROM typing WHERE room = ? AND who <> ? ORDER BY who", room, user)
}

// remove deletes the user's copy of a message.
func (c *chat) remove(_ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	return nil, c.one(r, "DELETE FROM messages WHERE id = ?")
}

// restore brings back a copy that was deleted.
func (c *chat) restore(_ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	return nil, c.one(r, "UNDELETE FROM messages WHERE id = ?")
}

// one changes the message that the request names, which must be there.
func (c *chat) one(r *http.Request, statement string) error {
	id, err := number(r.PathValue("id"))
	if err != nil {
		return err
	}
	res, err := c.db.ExecContext(r.Context(), statement, id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNotFound)
	}
	return nil
}

// export gives the user all that is kept of him.
func (c *chat) export(w http.ResponseWriter, r *http.Request, user string) (any, error) {
	w.Header().Set("Content-Type", "application/sql")
	w.Header().Set("Content-Disposition", `attachment; filename="chat.sql"`)
	return nil, kalam.ExportUser(r.Context(), c.db, user, w)
}

func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return n, nil
}
