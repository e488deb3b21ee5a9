package media

import (
	"bytes"
	"net/http"
	"path"
	"strings"
)

// sniffSize is how many bytes of a file its type is found from.
const sniffSize = 512

// octetStream is the type of what no browser shall look into.
const octetStream = "application/octet-stream"

// extensionTypes words the kind of an attachment that came without a type. The
// table of the operating system is not used: lines shall not depend on it.
var extensionTypes = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".heic": "image/heic", ".avif": "image/avif",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4",
	".wav": "audio/wav", ".flac": "audio/flac", ".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime",
	".avi": "video/avi", ".3gp": "video/3gpp",
}

// passive are the types that a browser shows or plays without running anything,
// with the extension of their files. Everything else goes out as a download.
var passive = map[string]string{
	"image/jpeg": ".jpg", "image/gif": ".gif", "image/png": ".png", "image/webp": ".webp", "image/bmp": ".bmp", "image/tiff": ".tif",
	"image/heic": ".heic", "image/avif": ".avif",
	"audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/mp4": ".m4a", "audio/wave": ".wav", "audio/aiff": ".aif",
	"audio/midi": ".mid", "audio/basic": ".au", "audio/flac": ".flac", "audio/amr": ".amr",
	"video/mp4": ".mp4", "video/webm": ".webm", "video/avi": ".avi", "video/quicktime": ".mov", "video/3gpp": ".3gp",
}

// signatures are the types that net/http does not find (WHATWG mimesniff has
// no TIFF, HEIF or AMR), by their first bytes.
var signatures = []struct{ prefix, mediaType string }{
	{"II*\x00", "image/tiff"},
	{"MM\x00*", "image/tiff"},
	{"fLaC", "audio/flac"},
	{"#!AMR", "audio/amr"},
	{"\xff\xfb", "audio/mpeg"},
	{"\xff\xf3", "audio/mpeg"},
	{"\xff\xf2", "audio/mpeg"},
}

// brands are the major brands of ISO base media files (ISO/IEC 14496-12 §4.3).
var brands = map[string]string{
	"heic": "image/heic", "heix": "image/heic", "heim": "image/heic", "heis": "image/heic", "hevc": "image/heic",
	"hevx": "image/heic", "mif1": "image/heic", "msf1": "image/heic", "avif": "image/avif", "avis": "image/avif",
	"M4A ": "audio/mp4", "M4B ": "audio/mp4", "qt  ": "video/quicktime", "isom": "video/mp4", "iso2": "video/mp4",
	"mp41": "video/mp4", "mp42": "video/mp4", "avc1": "video/mp4", "dash": "video/mp4",
	"3gp4": "video/3gpp", "3gp5": "video/3gpp", "3gp6": "video/3gpp",
}

// textNames are the endings of files that may be shown as text. Internet
// Explorer trusts the ending more than the type, so that everything else that
// is text goes out as a download.
var textNames = map[string]bool{"": true, ".txt": true, ".log": true, ".csv": true, ".md": true, ".diff": true, ".patch": true}

// sniff finds the media type of a file from its first bytes.
func sniff(head []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.prefix)) {
			return s.mediaType
		}
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		if t, ok := brands[string(head[8:12])]; ok {
			return t
		}
	}
	t := http.DetectContentType(head)
	if t == "application/ogg" && (bytes.Contains(head, []byte("OpusHead")) || bytes.Contains(head, []byte("\x01vorbis"))) {
		return "audio/ogg"
	}
	return t
}

// presentation says how a file of a sniffed type is handed to a browser: under
// which type and name, and whether shown or downloaded.
func presentation(sniffed string, head []byte, name string) (mediaType, filename string, inline bool) {
	name = asciiName(name)
	ext := strings.ToLower(path.Ext(name))
	if want, ok := passive[sniffed]; ok {
		// The ending follows the content, or a picture called a.html is run.
		if t := extensionTypes[ext]; t != sniffed && ext != want {
			name = withExtension(name, want)
		}
		return sniffed, name, true
	}
	// A "<" within what Internet Explorer looks at makes it see HTML.
	if strings.HasPrefix(sniffed, "text/plain") && textNames[ext] && !bytes.Contains(head, []byte("<")) {
		return sniffed, name, true
	}
	return octetStream, name, false
}
