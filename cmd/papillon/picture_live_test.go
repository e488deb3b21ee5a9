package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // what links lead to
	"image/png"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp/msnptest"
)

// linkIn finds the link in a line about a picture.
var linkIn = regexp.MustCompile(`http://(\S+?)(/m/\S+)`)

// TestPictureOverXMPP: bob uploads a picture to his server, and alice gets a line with a
// link that a browser of her time opens: plain HTTP/1.0, a small JPEG.
func TestPictureOverXMPP(t *testing.T) {
	eachVillage(t, func(t *testing.T, ctx context.Context, v *village) {
		if err := v.stop(); err != nil {
			t.Fatal(err)
		}
		v.config.HTTP.Listen = freeAddr(t)
		v.config.Media.AllowPrivate = []string{"127.0.0.0/8"}
		v.stop = startServe(t, v.config)
		v.awaitComponent(t, ctx)
		alice := signIn(t, v.config, v.password)
		v.acquaint(t, ctx, alice)
		var content bytes.Buffer
		picture := image.NewRGBA(image.Rect(0, 0, 1600, 1200))
		for i := range 1600 {
			picture.Set(i, i*3/4, color.RGBA{R: uint8(i), A: 255})
		}
		if err := png.Encode(&content, picture); err != nil {
			t.Fatal(err)
		}
		url, err := v.bob.Upload(ctx, v.server, "cat.png", "image/png", content.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.bob.Send(ctx, xmpptest.Message{To: v.alice, Body: url, OOB: url}); err != nil {
			t.Fatal(err)
		}
		window := opened(t, ctx, alice)
		m, err := msnptest.WaitFor(ctx, window, func(m msnptest.MessageArrived) bool {
			return strings.HasPrefix(m.Message.Text(), "[picture] cat.png")
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(m.Message.Text(), url) {
			t.Errorf("the line has the source itself: %q", m.Message.Text())
		}
		link := linkIn.FindStringSubmatch(m.Message.Text())
		if link == nil || link[1] != v.config.HTTP.Listen {
			t.Fatalf("no link of this server in %q", m.Message.Text())
		}
		header, body := get10(t, link[1], link[2])
		decoded, format, err := image.Decode(strings.NewReader(body))
		if err != nil || (format != "jpeg" && format != "gif") || decoded.Bounds().Dx() > 640 || decoded.Bounds().Dy() > 480 {
			t.Errorf("the link leads to %q of %v, %v; the header is %q", format, decoded, err, header)
		}
		if _, body = get10(t, link[1], link[2]+"?original"); body != content.String() {
			t.Errorf("the original has %d bytes, not %d", len(body), content.Len())
		}
		if header, _ := get10(t, link[1], link[2][:len("/m/")+5]+"x"+link[2][len("/m/")+6:]); strings.HasPrefix(header, "HTTP/1.0 200") || strings.HasPrefix(header, "HTTP/1.1 200") {
			t.Errorf("a link that was tampered with: %q", header)
		}
	})
}

// get10 asks as a browser of 1998 does.
func get10(t *testing.T, address, path string) (header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 4.01; Windows 95)\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	header, body, _ = strings.Cut(string(all), "\r\n\r\n")
	return header, body
}
