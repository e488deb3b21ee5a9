package media

import (
	"bytes"
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxShownName and maxPathName are in characters.
	maxShownName, maxPathName = 80, 32
	// maxExtension is how many characters of a name count as its extension,
	// with the dot.
	maxExtension = 6
	// marks are what a name in ASCII has besides letters and digits.
	marks = "._-"
	// worthOriginal is the size from which a JPEG or GIF is surely scaled
	// down, so that its line says how to get the original.
	worthOriginal = 256 << 10
)

// Link is what the line about an attachment is made of.
type Link struct {
	// URL is empty if the gateway serves no links.
	URL string
	// Name is safe to show, and empty if there is none. It is not confined to
	// ASCII.
	Name string
	// Type is the media type without parameters, as the sender or the source
	// says; empty if unknown.
	Type string
	// Size is in bytes, 0 if unknown.
	Size int64
}

// Kind says in a word what an offer is: "picture", "voice message", "sound",
// "video" or "file". Where the type says nothing, the name does.
func (o Offer) Kind() string {
	mediaType := plainType(o.Type)
	if mediaType == "" || mediaType == octetStream {
		mediaType = extensionTypes[strings.ToLower(path.Ext(o.Name))]
	}
	family, sub, _ := strings.Cut(mediaType, "/")
	switch {
	case o.Voice:
		return "voice message"
	case family == "image" && !strings.HasPrefix(sub, "svg"):
		return "picture"
	case family == "audio":
		return "sound"
	case family == "video":
		return "video"
	}
	return "file"
}

// Line words a link for a chat window: "[picture] cat.jpg (120 KB)
// http://host/m/…/cat.jpg". An empty kind is a file. Where a picture surely is
// served smaller than it was sent, the line says how to get the original.
func (l Link) Line(kind string) string {
	if kind == "" {
		kind = "file"
	}
	parts := []string{"[" + kind + "]"}
	if l.Name != "" {
		parts = append(parts, l.Name)
	}
	if l.Size > 0 {
		parts = append(parts, "("+sizeText(l.Size)+")")
	}
	if l.URL == "" {
		return strings.Join(append(parts, "(no link: http.listen is not set on this server)"), " ")
	}
	parts = append(parts, l.URL)
	plain := l.Type == "" || l.Type == "image/jpeg" || l.Type == "image/gif"
	if kind == "picture" && (!plain || l.Size > worthOriginal) {
		parts = append(parts, "(add ?original for the picture as it was sent)")
	}
	return strings.Join(parts, " ")
}

// sizeText words a size: "900 bytes", "120 KB", "3.1 MB".
func sizeText(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20-1<<9: // what is rounded up to 1024 KB is 1.0 MB
		return fmt.Sprintf("%d KB", (n+1<<9)>>10)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// plainType is a media type in lower case without parameters, or nothing if it
// is none.
func plainType(t string) string {
	plain, _, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(plain, "/") || len(plain) > 100 {
		return ""
	}
	return plain
}

// shownName makes a file name fit for a line of chat: one line, without
// folders, invisible characters and changes of direction, cut in the middle if
// it is long.
func shownName(name string) string {
	name = strings.ToValidUTF8(name, "")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, name)
	name = strings.Trim(strings.Join(strings.Fields(name), " "), ". ")
	runes := []rune(name)
	if len(runes) <= maxShownName {
		return name
	}
	tail := runes[len(runes)-maxExtension-4:]
	return string(runes[:maxShownName-len(tail)-1]) + "…" + string(tail)
}

// pathName is the last part of a link: letters, digits and a few marks of ASCII,
// whatever the name was. A picture that will be converted is called .jpg, since
// old browsers look at the ending.
func pathName(o Offer) string {
	name := asciiName(o.Name)
	_, ext := splitExtension(name)
	switch lower := strings.ToLower(ext); {
	case lower == ".jpg", lower == ".jpeg", lower == ".gif":
		return name
	case o.Kind() == "picture" && o.Type == "image/gif":
		return withExtension(name, ".gif")
	case o.Kind() == "picture":
		return withExtension(name, ".jpg")
	case ext == "":
		return withExtension(name, passive[plainType(o.Type)])
	}
	return name
}

// asciiName makes a name of ASCII with what can be kept of it: accents are
// dropped, everything else becomes "_", and a dot swallows the marks around it.
// What it made it leaves as it is.
func asciiName(name string) string {
	var b []byte
	for _, r := range norm.NFKD.String(shownName(name)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r == '.':
			b = append(bytes.TrimRight(b, marks), '.')
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			b = append(b, byte(r))
		case bytes.HasSuffix(b, []byte(".")):
		case r == '-':
			b = append(b, '-')
		case !bytes.HasSuffix(b, []byte("_")):
			b = append(b, '_')
		}
	}
	name = strings.TrimRight(string(b), marks)
	_, ext := splitExtension(name)
	return withExtension(name, ext)
}

// splitExtension takes the extension, with its dot, off a name in ASCII. What is
// too long for one, or has a mark in it, belongs to the name.
func splitExtension(name string) (base, ext string) {
	ext = path.Ext(name)
	if len(ext) < 2 || len(ext) > maxExtension || strings.ContainsAny(ext, "_-") {
		return name, ""
	}
	return strings.TrimSuffix(name, ext), ext
}

// withExtension puts ext in the place of the extension of a name in ASCII, if it
// has one, and cuts the name to maxPathName.
func withExtension(name, ext string) string {
	base, _ := splitExtension(name)
	base = strings.Trim(base, marks)
	base = strings.TrimRight(base[:min(len(base), maxPathName-len(ext))], marks)
	if base == "" {
		base = "file"
	}
	return base + ext
}
