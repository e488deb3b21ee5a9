package media

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// refusal is why a link shows no file: an error, and the page that says so.
type refusal struct {
	status      int
	title, text string
	// original: the file itself can be had all the same.
	original bool
}

// Error returns the title.
func (r *refusal) Error() string { return strings.ToLower(r.title) }

// The refusals. Each has its own page; wrapped errors carry the details to the
// log.
var (
	errNoLink = &refusal{status: http.StatusNotFound, title: "No such file",
		text: "This link leads nowhere. Perhaps a part of it is missing: copy all of it."}
	errForged = &refusal{status: http.StatusForbidden, title: "Changed link",
		text: "This link is not as it was sent. Copy it again from the conversation."}
	errExpired = &refusal{status: http.StatusGone, title: "Expired link",
		text: "This link was good for some days only. Ask for the file to be sent again."}
	errMethod = &refusal{status: http.StatusMethodNotAllowed, title: "Not possible here",
		text: "Files can be read here, nothing else."}
	errTooOften = &refusal{status: http.StatusTooManyRequests, title: "Too many requests",
		text: "Wait a minute, then load this page again."}
	errTooLarge = &refusal{status: http.StatusRequestEntityTooLarge, title: "File too large",
		text: "This file is larger than this server passes on."}
	errSource = &refusal{status: http.StatusBadGateway, title: "File not available",
		text: "The server that keeps this file did not hand it over. Perhaps it was deleted there; else try again later."}
	errSlow = &refusal{status: http.StatusGatewayTimeout, title: "File too slow",
		text: "The server that keeps this file was too slow. Try again later."}
	errBusy = &refusal{status: http.StatusServiceUnavailable, title: "Too busy",
		text: "This server is fetching too many files just now. Try again in a minute."}
	errPicture = &refusal{status: http.StatusUnsupportedMediaType, title: "Picture cannot be converted",
		text: "This picture is damaged, or of a kind that cannot be converted for old programs.", original: true}
	errHugePicture = &refusal{status: http.StatusUnsupportedMediaType, title: "Picture too large to convert",
		text: "This picture has more pixels than this server converts.", original: true}
	errInternal = &refusal{status: http.StatusInternalServerError, title: "Something went wrong",
		text: "This server could not do it. Whoever runs it finds the reason in the log."}
)

// friendlyLimit is the size below which Internet Explorer 5 and later show a
// page of their own in place of one with an error status.
const friendlyLimit = 512

// page is the refusal in HTML 3.2, in ASCII. Original is the address of the
// file as it was sent, empty if there is none to offer.
func (r *refusal) page(original string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2//EN\">\r\n<html><head><title>%s</title></head>\r\n"+
		"<body bgcolor=\"#ffffff\" text=\"#000000\">\r\n<h2>%s</h2>\r\n<p>%s</p>\r\n", r.title, r.title, r.text)
	if r.original && original != "" {
		fmt.Fprintf(&b, "<p><a href=\"%s\">Save the picture as it was sent</a></p>\r\n", html.EscapeString(original))
	}
	b.WriteString("<hr><p>Papillon</p>\r\n</body></html>\r\n")
	if missing := friendlyLimit - b.Len(); missing > 0 {
		fmt.Fprintf(&b, "<!--%s-->\r\n", strings.Repeat(" ", missing))
	}
	return b.String()
}

// write answers with the refusal. It always says how long it is, for HTTP/1.0.
func (r *refusal) write(w http.ResponseWriter, original string) error {
	page := r.page(original)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=iso-8859-1")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	switch r.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "60")
	}
	w.WriteHeader(r.status)
	_, err := w.Write([]byte(page))
	return err
}
