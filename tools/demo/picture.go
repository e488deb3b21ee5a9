package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // what links lead to
	"image/png"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"maunium.net/go/mautrix/event"

	"papillon/msnp/msnptest"
)

const (
	// pictureWidth and pictureHeight are the size of bob's picture, in pixels:
	// more than a screen of 1998 shows.
	pictureWidth, pictureHeight = 1600, 1200
	// shownWidth and shownHeight are the most that a link leads to.
	shownWidth, shownHeight = 640, 480
	// pictureName is what bob's file is called.
	pictureName = "butterfly.png"
	// maxShown is how much of an answer is read, in bytes.
	maxShown = 4 << 20
)

// linkIn finds the link in a line about a picture.
var linkIn = regexp.MustCompile(`http://\S+/m/\S+`)

// picture has bob send a picture and alice open the link that she gets.
func (s *matrixScenes) picture(ctx context.Context) error {
	data, err := drawing()
	if err != nil {
		return err
	}
	upload, err := s.bob.UploadBytes(ctx, data, "image/png")
	if err != nil {
		return fmt.Errorf("upload as bob: %w", err)
	}
	s.out.far("%s sends %s, image/png, %dx%d, %d bytes", s.bob.address(), pictureName, pictureWidth, pictureHeight, len(data))
	_, err = s.bob.SendMessageEvent(ctx, s.bob.room, event.EventMessage, &event.MessageEventContent{
		MsgType: event.MsgImage, Body: pictureName, URL: upload.ContentURI.CUString(),
		Info: &event.FileInfo{MimeType: "image/png", Size: len(data), Width: pictureWidth, Height: pictureHeight},
	})
	if err != nil {
		return fmt.Errorf("send as bob: %w", err)
	}
	line, err := msnptest.WaitFor(ctx, s.chat, func(m msnptest.MessageArrived) bool {
		return string(m.From.Handle) == s.bob.handle() && strings.HasPrefix(m.Message.Text(), "[picture] "+pictureName)
	})
	if err != nil {
		return fmt.Errorf("wait for the line about the picture: %w", err)
	}
	link := linkIn.FindString(line.Message.Text())
	if link == "" {
		return fmt.Errorf("there is no link in %q", line.Message.Text())
	}
	s.out.seen("alice gets a line with a link")
	return s.open(ctx, link)
}

// drawing makes a picture, as a file.
func drawing() ([]byte, error) {
	canvas := image.NewRGBA(image.Rect(0, 0, pictureWidth, pictureHeight))
	for y := range pictureHeight {
		for x := range pictureWidth {
			canvas.SetRGBA(x, y, color.RGBA{R: uint8(x * 255 / pictureWidth), G: uint8(y * 255 / pictureHeight), B: 160, A: 255})
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, canvas); err != nil {
		return nil, fmt.Errorf("draw a picture: %w", err)
	}
	return file.Bytes(), nil
}

// open follows a link and makes sure that a browser of 1998 shows what is there.
func (s *matrixScenes) open(ctx context.Context, link string) error {
	status, kind, body, err := get10(ctx, link)
	if err != nil {
		return fmt.Errorf("open %s: %w", link, err)
	}
	shown, format, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s leads to no picture (%s, %s): %w", link, status, kind, err)
	}
	if kind != "image/jpeg" || format != "jpeg" || shown.Width > shownWidth || shown.Height > shownHeight {
		return fmt.Errorf("%s leads to %s, which is %s of %dx%d", link, kind, format, shown.Width, shown.Height)
	}
	s.out.note("her browser: %s, %s, %dx%d, %d bytes", status, kind, shown.Width, shown.Height, len(body))
	s.out.seen("alice sees the picture, in a size and a type that her browser knows")
	return nil
}

// get10 asks for something as a browser of 1998 does, without anything that came
// with HTTP/1.1: net/http cannot.
func get10(ctx context.Context, link string) (status, kind string, body []byte, err error) {
	where, err := url.Parse(link)
	if err != nil {
		return "", "", nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", where.Host)
	if err != nil {
		return "", "", nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends what is under way
	defer func() {
		if closeErr := conn.Close(); err == nil && !errors.Is(closeErr, net.ErrClosed) {
			err = closeErr
		}
	}()
	const browser = "Mozilla/4.0 (compatible; MSIE 4.01; Windows 95)"
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nUser-Agent: %s\r\n\r\n", where.RequestURI(), browser); err != nil {
		return "", "", nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", "", nil, err
	}
	defer resp.Body.Close() // no more than the connection, which is closed above
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxShown)); err != nil {
		return "", "", nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", nil, fmt.Errorf("the server says %s", resp.Status)
	}
	return resp.Proto + " " + resp.Status, resp.Header.Get("Content-Type"), body, nil
}
