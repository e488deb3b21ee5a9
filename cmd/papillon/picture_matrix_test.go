package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"

	"papillon/msnp/msnptest"
)

// TestPictureOverMatrix: bob sends pictures, one of them encrypted, and alice gets
// lines with links that a browser of her time opens: plain HTTP/1.0, a small JPEG.
func TestPictureOverMatrix(t *testing.T) {
	tw := newTown(t)
	tw.config.HTTP.Listen = freeAddr(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	stop := startServe(t, tw.config)
	alice := signIn(t, tw.config, tw.password)
	window, room := tw.acquaint(t, ctx, alice)

	picture := image.NewRGBA(image.Rect(0, 0, 1600, 1200))
	for i := range 1600 {
		picture.Set(i, i*3/4, color.RGBA{R: uint8(i), A: 255})
	}
	var data bytes.Buffer
	if err := png.Encode(&data, picture); err != nil {
		t.Fatal(err)
	}
	secret, file := bytes.Clone(data.Bytes()), attachment.NewEncryptedFile()
	file.EncryptInPlace(secret)
	send := func(content *event.MessageEventContent, stored []byte) {
		t.Helper()
		upload, err := tw.bob.UploadBytes(ctx, stored, "application/octet-stream")
		if err != nil {
			t.Fatal(err)
		}
		if content.File != nil {
			content.File.URL = upload.ContentURI.CUString()
		} else {
			content.URL = upload.ContentURI.CUString()
		}
		if _, err := tw.bob.SendMessageEvent(ctx, room, event.EventMessage, content); err != nil {
			t.Fatal(err)
		}
	}
	info := &event.FileInfo{MimeType: "image/png", Size: data.Len()}
	send(&event.MessageEventContent{MsgType: event.MsgImage, Body: "look", FileName: "cat.png", Info: info}, data.Bytes())
	tw.opens(t, ctx, window, "look\n[picture] cat.png", data.String())
	send(&event.MessageEventContent{MsgType: event.MsgImage, Body: "secret.png", Info: info, File: &event.EncryptedFileInfo{EncryptedFile: *file}}, secret)
	tw.opens(t, ctx, window, "[picture] secret.png", data.String())

	secret[20] ^= 1 // another file in the place of the one that was sent
	send(&event.MessageEventContent{MsgType: event.MsgFile, Body: "forged.png", File: &event.EncryptedFileInfo{EncryptedFile: *file}}, secret)
	address, path := tw.link(t, ctx, window, "[picture] forged.png")
	if header, _ := get10(t, address, path); !strings.Contains(header, " 502 ") {
		t.Errorf("a forged file: %q", header)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// link waits for a line about a picture and returns where its link leads.
func (tw *town) link(t *testing.T, ctx context.Context, window *msnptest.Switchboard, begins string) (address, path string) {
	t.Helper()
	m, err := msnptest.WaitFor(ctx, window, func(m msnptest.MessageArrived) bool {
		return strings.HasPrefix(strings.ReplaceAll(m.Message.Text(), "\r\n", "\n"), begins)
	})
	if err != nil {
		t.Fatal(err)
	}
	words := m.Message.Text()
	link := linkIn.FindStringSubmatch(words)
	if link == nil || link[1] != tw.config.HTTP.Listen || strings.Contains(words, "mxc:") {
		t.Fatalf("no link of this server in %q", words)
	}
	return link[1], link[2]
}

// opens follows the link in a line about a picture.
func (tw *town) opens(t *testing.T, ctx context.Context, window *msnptest.Switchboard, begins, original string) {
	t.Helper()
	address, path := tw.link(t, ctx, window, begins)
	header, body := get10(t, address, path)
	decoded, format, err := image.Decode(strings.NewReader(body))
	if err != nil || format != "jpeg" && format != "gif" || decoded.Bounds().Dx() > 640 || decoded.Bounds().Dy() > 480 {
		t.Errorf("%s leads to %q of %v, %v; the header is %q", begins, format, decoded, err, header)
	}
	if _, body = get10(t, address, path+"?original"); body != original {
		t.Errorf("the original of %s has %d bytes, not %d", begins, len(body), len(original))
	}
}
