package livehttp

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// webSocket sends each message as a text message.
type webSocket struct {
	conn    *websocket.Conn
	timeout time.Duration
}

func wantsWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// acceptWebSocket takes the connection over; cancel is called when the browser leaves.
func (h *Handler) acceptWebSocket(w http.ResponseWriter, r *http.Request, cancel context.CancelFunc) (client, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: h.OriginPatterns})
	if err != nil {
		return nil, err
	}
	// Nothing is expected of the browser but answers to pings, and its end.
	gone := conn.CloseRead(r.Context())
	context.AfterFunc(gone, cancel)
	return &webSocket{conn, h.writeTimeout()}, nil
}

func (s *webSocket) send(ctx context.Context, message []byte, _ uint64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, message)
}

func (s *webSocket) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *webSocket) end(err error) {
	if err != nil {
		_ = s.conn.Close(websocket.StatusInternalError, "the live query ended")
		return
	}
	_ = s.conn.Close(websocket.StatusGoingAway, "")
}
