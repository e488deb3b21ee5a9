package content

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
)

// readLocation reads m.location.
func readLocation(c *event.MessageEventContent, m *bridge.MessageReceived) {
	m.Text = placeLine(c.Body, c.GeoURI)
}

// readLocationEvent reads a location that is an event of its own (MSC3488).
func readLocationEvent(evt *event.Event, m *bridge.MessageReceived) bool {
	for _, key := range []string{"m.location", "org.matrix.msc3488.location"} {
		if place, ok := evt.Content.Raw[key].(map[string]any); ok {
			name, _ := place["description"].(string)
			uri, _ := place["uri"].(string)
			if name == "" {
				name = fallbackText(evt.Content.Raw)
			}
			return say(m, bridge.Said, placeLine(name, uri))
		}
	}
	return readUnknown(evt, m)
}

// placeLine words a place, with a link to a map where its position is one.
func placeLine(name, uri string) string {
	name = label(name)
	if strings.Contains(name, "geo:") { // what clients write for those who show nothing else
		name = ""
	}
	latitude, longitude, ok := position(uri)
	if !ok {
		return bracket("location", name, label(uri))
	}
	where := latitude + "," + longitude
	return fmt.Sprintf("%s http://www.openstreetmap.org/?mlat=%s&mlon=%s", bracket("location", name, where), latitude, longitude)
}

// position reads a geo URI (RFC 5870): decimal degrees in WGS-84.
func position(uri string) (latitude, longitude string, ok bool) {
	rest, ok := strings.CutPrefix(uri, "geo:")
	if !ok {
		return "", "", false
	}
	rest, _, _ = strings.Cut(rest, ";")
	parts := strings.Split(rest, ",")
	if len(parts) < 2 || len(parts) > 3 {
		return "", "", false
	}
	latitude, okLatitude := degrees(parts[0], 90)
	longitude, okLongitude := degrees(parts[1], 180)
	return latitude, longitude, okLatitude && okLongitude
}

// degrees reads a coordinate and writes it anew, to a metre.
func degrees(s string, limit float64) (string, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > limit {
		return "", false
	}
	return strconv.FormatFloat(math.Round(f*1e5)/1e5, 'f', -1, 64), true
}
