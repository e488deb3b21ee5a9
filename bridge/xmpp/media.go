package xmpp

import (
	"mime"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// maxMedia is how many files of one message count.
const maxMedia = 16

// readMedia reads the files that come with a message, however they are said:
// XEP-0447, XEP-0385, XEP-0066, each once.
func readMedia(s *stream.Stanza) (all []bridge.Media) {
	add := func(m bridge.Media, ok bool) {
		if !ok || len(all) >= maxMedia {
			return
		}
		for _, known := range all {
			if known.Source == m.Source {
				return
			}
		}
		all = append(all, complete(m))
	}
	for _, c := range s.Children {
		if c.Name.Space == nsFileSharing && c.Name.Local == "file-sharing" {
			add(readFileSharing(c))
		}
	}
	for _, c := range s.Children {
		if c.Name.Space == nsReference && c.Name.Local == "reference" {
			add(readSharing(c.Child(nsSharing, "media-sharing")))
		}
	}
	for _, c := range s.Children {
		if c.Name.Space == nsOOB && c.Name.Local == "x" {
			add(fetchable(c.Child(nsOOB, "url").Chars(), bridge.Media{}))
		}
	}
	return all
}

// otherAddresses returns what came by XEP-0066 and is neither a file that the gateway
// fetches nor part of the words: "xmpp:tea@conf.test?join". It is shown as it is.
func otherAddresses(s *stream.Stanza, words string, files []bridge.Media) (all []string) {
	for _, c := range s.Children {
		if c.Name.Space != nsOOB || c.Name.Local != "x" || len(all) >= maxMedia {
			continue
		}
		address := strings.TrimSpace(c.Child(nsOOB, "url").Chars())
		file := slices.ContainsFunc(files, func(m bridge.Media) bool { return m.Source == address })
		if shown := strings.Join(strings.Fields(xmlText(address)), " "); shown != "" && !file && !strings.Contains(words, address) && !slices.Contains(all, shown) {
			all = append(all, shown)
		}
	}
	return all
}

// readFileSharing reads stateless file sharing (XEP-0447).
func readFileSharing(e *stream.Element) (bridge.Media, bool) {
	about := readFile(e.Child(nsFile, "file"), nsFile)
	for _, data := range e.Child(nsFileSharing, "sources").All(nsURLData, "url-data") {
		if m, ok := fetchable(data.Attribute("target"), about); ok {
			return m, true
		}
	}
	return bridge.Media{}, false
}

// readSharing reads stateless inline media sharing (XEP-0385).
func readSharing(e *stream.Element) (bridge.Media, bool) {
	about := readFile(e.Child(nsFileOld, "file"), nsFileOld)
	for _, r := range e.Child(nsSharing, "sources").All(nsReference, "reference") {
		if m, ok := fetchable(r.Attribute("uri"), about); ok {
			return m, true
		}
	}
	return bridge.Media{}, false
}

// readFile reads what is told about a file (XEP-0446).
func readFile(e *stream.Element, ns string) bridge.Media {
	size, _ := strconv.ParseInt(strings.TrimSpace(e.Child(ns, "size").Chars()), 10, 64)
	return bridge.Media{
		Name: strings.TrimSpace(lines(e.Child(ns, "name").Chars())),
		Type: strings.TrimSpace(lines(e.Child(ns, "media-type").Chars())),
		Size: max(size, 0),
	}
}

// fetchable adds where a file is to be had; ok is false for a place that the
// gateway cannot fetch from.
func fetchable(source string, about bridge.Media) (bridge.Media, bool) {
	source = strings.TrimSpace(source)
	u, err := url.Parse(source)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return bridge.Media{}, false
	}
	about.Source = source
	return about, true
}

// complete finds the name of a file in its URL, and its type by the name.
func complete(m bridge.Media) bridge.Media {
	if u, err := url.Parse(m.Source); err == nil && m.Name == "" {
		if name := path.Base(u.Path); name != "." && name != "/" {
			m.Name = lines(name)
		}
	}
	if m.Type == "" {
		m.Type, _, _ = strings.Cut(typeByName(m.Name), ";")
	}
	m.Voice = strings.HasPrefix(strings.ToLower(m.Type), "audio/")
	return m
}

// soundTypes are what phones record, which not every system's table has.
var soundTypes = map[string]string{
	".m4a": "audio/mp4", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".opus": "audio/ogg",
	".mp3": "audio/mpeg", ".amr": "audio/amr", ".wav": "audio/wav", ".aac": "audio/aac",
}

func typeByName(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := soundTypes[ext]; t != "" {
		return t
	}
	return mime.TypeByExtension(ext)
}

// readCount reads a number from 0 to a limit.
func readCount(s string, limit int) (int, bool) {
	n, err := strconv.Atoi(s)
	return min(n, limit), err == nil && n >= 0
}
