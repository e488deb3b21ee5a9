package content

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/text"
)

const (
	// maxMedia is how many files of one event count.
	maxMedia = 16
	// maxName is how much of a file's name is handed on, in bytes. It is shortened
	// where it is shown, in a way that keeps its ending.
	maxName = 1 << 10
	// maxURI is the longest address of a file that counts, in bytes: a server
	// name has at most 255.
	maxURI = 512
)

// Source is what the gateway needs to fetch a file of Matrix. It stands in
// [bridge.Media.Source]: as the mxc address of a file that everybody can read, as
// JSON of the address and the keys (Client-Server API, "EncryptedFile") for one
// that was sent encrypted.
type Source struct {
	// URI is where the file is.
	URI id.ContentURI
	// File is what decrypts it and checks that it is whole; nil for one that is
	// not encrypted.
	File *attachment.EncryptedFile
}

// errNotMedia says that a source is none.
var errNotMedia = errors.New("read media source: it is no file of Matrix")

// ParseSource reads a source that [Decode] made. The error does not contain it:
// it may have a key.
func ParseSource(s string) (Source, error) {
	if !strings.HasPrefix(s, "{") {
		uri, ok := mediaURI(id.ContentURIString(s))
		if !ok {
			return Source{}, errNotMedia
		}
		return Source{URI: uri}, nil
	}
	var file event.EncryptedFileInfo
	if err := json.Unmarshal([]byte(s), &file); err != nil {
		return Source{}, errNotMedia
	}
	uri, ok := mediaURI(file.URL)
	if !ok {
		return Source{}, errNotMedia
	}
	if err := file.PrepareForDecryption(); err != nil {
		return Source{}, fmt.Errorf("read media source: %w", err)
	}
	return Source{URI: uri, File: &file.EncryptedFile}, nil
}

// String writes a source as it stands in [bridge.Media.Source].
func (s Source) String() string {
	if s.File == nil {
		return s.URI.String()
	}
	raw, err := json.Marshal(event.EncryptedFileInfo{EncryptedFile: *s.File, URL: s.URI.CUString()})
	if err != nil {
		return "" // strings and booleans can be written
	}
	return string(raw)
}

// mediaURI reads the address of a file; ok is false for one that no homeserver
// gives out.
func mediaURI(s id.ContentURIString) (id.ContentURI, bool) {
	if len(s) > maxURI {
		return id.ContentURI{}, false
	}
	uri, err := s.Parse()
	return uri, err == nil && id.IsValidMediaID(uri.FileID) && id.ValidateServerName(uri.Homeserver)
}

// kinds are what files are called where nothing can be fetched, and the media
// types of those whose sender names none.
var kinds = map[event.MessageType]struct{ word, family string }{
	event.MsgImage: {"picture", "image/*"},
	event.MsgVideo: {"video", "video/*"},
	event.MsgAudio: {"audio", "audio/*"},
	event.MsgFile:  {"file", ""},
}

// readFile reads a message that is a file, and what its sender wrote to it
// (Matrix 1.10, MSC2530).
func readFile(c *event.MessageEventContent, m *bridge.MessageReceived) {
	if c.GetCaption() != "" {
		m.Text, m.Style = words(c)
	}
	addFile(c, m)
}

// addFile adds a file to a message; one that cannot be fetched is named.
func addFile(c *event.MessageEventContent, m *bridge.MessageReceived) {
	if len(m.Media) >= maxMedia {
		return
	}
	if media, ok := mediaOf(c); ok {
		m.Media = append(m.Media, media)
		return
	}
	line := bracket(kinds[c.MsgType].word, label(c.GetFileName())) + " (it cannot be fetched)"
	m.Text = strings.TrimPrefix(m.Text+"\n"+line, "\n")
}

// mediaOf reads where a file is and what is told about it.
func mediaOf(c *event.MessageEventContent) (media bridge.Media, ok bool) {
	var source Source
	if c.File != nil {
		// What cannot be decrypted is told now, not when the link is opened. The
		// copy keeps the decoded keys out of the event.
		file := c.File.EncryptedFile
		uri, valid := mediaURI(c.File.URL)
		if !valid || file.PrepareForDecryption() != nil {
			return media, false
		}
		file = plainFile(c.File.EncryptedFile)
		source = Source{URI: uri, File: &file}
	} else {
		uri, valid := mediaURI(c.URL)
		if !valid {
			return media, false
		}
		source.URI = uri
	}
	media = bridge.Media{
		Source: source.String(), Name: text.Preview(c.GetFileName(), maxName),
		Type: kinds[c.MsgType].family, Voice: c.MSC3245Voice != nil,
	}
	if info := c.Info; info != nil {
		media.Size = max(int64(info.Size), 0)
		if info.MimeType != "" {
			media.Type = label(info.MimeType)
		}
	}
	return media, true
}

// plainFile returns nothing but what the specification has in an EncryptedFile.
func plainFile(f attachment.EncryptedFile) attachment.EncryptedFile {
	return attachment.EncryptedFile{
		Key: attachment.JSONWebKey{
			Key: f.Key.Key, Algorithm: f.Key.Algorithm, Extractable: true, KeyType: "oct", KeyOps: []string{"encrypt", "decrypt"},
		},
		InitVector: f.InitVector, Hashes: f.Hashes, Version: f.Version,
	}
}

// readGallery reads several pictures that were sent as one.
func readGallery(c *event.MessageEventContent, m *bridge.MessageReceived) {
	caption := event.MessageEventContent{Body: c.BeeperGalleryCaption, FormattedBody: c.BeeperGalleryCaptionHTML}
	if caption.FormattedBody != "" {
		caption.Format = event.FormatHTML
	}
	m.Text, m.Style = words(&caption)
	for _, picture := range c.BeeperGalleryImages {
		if picture != nil {
			addFile(picture, m)
		}
	}
}

// readSticker reads m.sticker: a picture and the words for it.
func readSticker(evt *event.Event, m *bridge.MessageReceived) bool {
	c, ok := evt.Content.Parsed.(*event.MessageEventContent)
	if !ok {
		return say(m, bridge.Notice, lineUnreadable)
	}
	sticker := *c
	sticker.MsgType = event.MsgImage
	readReply(&sticker, m)
	m.Text = bracket("sticker", label(c.Body))
	if media, ok := mediaOf(&sticker); ok {
		m.Media = append(m.Media, media)
	}
	return true
}
