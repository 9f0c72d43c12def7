package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// tab is a page in headless Chromium, driven by the DevTools protocol.
type tab struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
}

// openPage opens a page in a new Chromium. The test is skipped where there is none.
func openPage(t *testing.T, page string) *tab {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Skip("Chromium is not installed; on Debian: apt-get install chromium")
	}
	// Not t.TempDir: Chromium's last processes may still write there when it is removed.
	dir, err := os.MkdirTemp("", "kalam-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--remote-debugging-port=0", "--user-data-dir="+dir, page)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	b := &tab{t: t}
	address := ""
	for lines := bufio.NewScanner(stderr); address == "" && lines.Scan(); {
		if _, after, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
			u, err := url.Parse(after)
			if err != nil {
				t.Fatal(err)
			}
			address = u.Host
		}
	}
	if address == "" {
		t.Fatalf("%s did not start", filepath.Base(program))
	}
	go func() { // what it says further is of no interest, but has to be read
		buf := make([]byte, 4096)
		for {
			if _, err := stderr.Read(buf); err != nil {
				return
			}
		}
	}()
	b.connect("http://" + address + "/json/list")
	b.until("location.href.startsWith('" + page + "') && document.readyState === 'complete'")
	return b
}

// connect connects to the page once it is there.
func (b *tab) connect(list string) {
	b.t.Helper()
	for range 300 {
		var pages []struct {
			Type  string `json:"type"`
			Debug string `json:"webSocketDebuggerUrl"`
		}
		if resp, err := http.Get(list); err == nil {
			err = json.NewDecoder(resp.Body).Decode(&pages)
			resp.Body.Close()
			if err != nil {
				b.t.Fatal(err)
			}
		}
		for _, p := range pages {
			if p.Type == "page" {
				conn, _, err := websocket.Dial(b.t.Context(), p.Debug, nil)
				if err != nil {
					b.t.Fatal(err)
				}
				conn.SetReadLimit(1 << 24)
				b.conn = conn
				b.t.Cleanup(func() { conn.CloseNow() })
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatal("Chromium has no page")
}

// eval evaluates JavaScript in the page.
func (b *tab) eval(js string) any {
	b.t.Helper()
	b.id++
	request, err := json.Marshal(map[string]any{"id": b.id, "method": "Runtime.evaluate",
		"params": map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true}})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := b.conn.Write(ctx, websocket.MessageText, request); err != nil {
		b.t.Fatal(err)
	}
	for {
		_, text, err := b.conn.Read(ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		var answer struct {
			ID     int `json:"id"`
			Result struct {
				Result    struct{ Value any }
				Exception *struct{ Text string } `json:"exceptionDetails"`
			}
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			b.t.Fatal(err)
		}
		if answer.ID != b.id {
			continue
		}
		if answer.Result.Exception != nil {
			b.t.Fatalf("%s: %s", js, answer.Result.Exception.Text)
		}
		return answer.Result.Result.Value
	}
}

// until waits until JavaScript is true in the page.
func (b *tab) until(js string) {
	b.t.Helper()
	b.untilWhile(js, func() {})
}

// untilWhile is until that does something every second.
func (b *tab) untilWhile(js string, do func()) {
	b.t.Helper()
	for i := range 600 {
		if i%20 == 0 {
			do()
		}
		if b.eval(js) == true {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatal(fmt.Sprintf("%s is not true of the page:\n%v", js, b.eval("document.body.innerText")))
}

// TestPage has ann's page show what bob sends, and the other way round, in a browser.
func TestPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	t.Cleanup(s.CloseClientConnections)
	bob := enter(t, s, "bob")
	var room struct{ ID int64 }
	if err := json.Unmarshal([]byte(bob.must("POST", "/rooms", url.Values{"name": {"garden"}})), &room); err != nil {
		t.Fatal(err)
	}
	messages := fmt.Sprintf("/rooms/%d/messages", room.ID)
	ann := openPage(t, s.URL)
	ann.eval("document.querySelector('#login input').value = 'ann'; document.getElementById('login').requestSubmit()")
	ann.until("!document.getElementById('chat').hidden")
	ann.eval("document.querySelector('#join input').value = 'garden'; document.getElementById('join').requestSubmit()")
	ann.until("document.getElementById('rooms').innerText.includes('garden (2)')")

	bob.must("POST", messages, url.Values{"text": {"<b>hello</b> ann"}})
	ann.until("document.getElementById('messages').innerText.includes('<b>hello</b> ann')")
	// That somebody types is shown for some seconds only.
	ann.untilWhile("document.getElementById('typing').innerText === 'bob is typing …'", func() {
		bob.must("POST", fmt.Sprintf("/rooms/%d/typing", room.ID), nil)
	})
	ann.eval("document.querySelector('#say input').value = 'hello bob'; document.getElementById('say').requestSubmit()")
	ann.until("document.getElementById('messages').innerText.includes('hello bob')")
	if got := bob.must("GET", messages, nil); !strings.Contains(got, "hello bob") {
		t.Fatal(got)
	}
	ann.until("document.getElementById('typing').innerText === ''")
	ann.eval("document.querySelector('#messages button').click()")
	ann.until("!document.getElementById('messages').innerText.includes('<b>')")
	if got := bob.must("GET", messages, nil); !strings.Contains(got, "hello\\u003c/b\\u003e ann") {
		t.Fatal(got) // his copy is his
	}
}
