package xmpp

import (
	"crypto/sha1" // the hash that XEP-0115 §5 makes mandatory; it protects nothing here
	"encoding/base64"
	"slices"
	"strings"

	"papillon/bridge/xmpp/stream"
)

// capsNode names this program in XEP-0115.
const capsNode = "urn:x-papillon"

// features are what an MSN user's address understands, sorted. The +notify ones
// ask for events of those whose presence is seen (XEP-0163 §4.3.2).
var features = []string{
	nsCaps, nsChatStates, nsDiscoInfo, nsMUC, nsNick, nsNick + "+notify", nsXHTML,
	"jabber:iq:version", nsConference, nsOOB, "urn:xmpp:bookmarks:1+notify", nsMarkers,
	nsDelay, nsEncryption, nsFallback, nsIdle, nsCorrect, nsRetract, nsRetractOld, nsPing,
	nsReactions, nsReceipts, nsReply, nsFileSharing, nsSID, nsStyling,
}

// discoInfo is the answer to disco#info about an MSN user's address (XEP-0030): a
// new query element without a node. Who asks with a node gets it with that node,
// if it is one that [knownNode] knows.
func discoInfo() *stream.Element {
	q := stream.NewElement(nsDiscoInfo, "query").
		With(stream.NewElement(nsDiscoInfo, "identity", "category", "client", "type", "pc", "name", "Papillon"))
	for _, f := range sortedFeatures() {
		q.With(stream.NewElement(nsDiscoInfo, "feature", "var", f))
	}
	return q
}

// knownNode says whether [discoInfo] holds for a node that a query names.
func knownNode(node string) bool { return node == "" || node == capsNode+"#"+capsVersion() }

func sortedFeatures() []string {
	sorted := slices.Clone(features)
	slices.Sort(sorted)
	return sorted
}

// capsVersion is the verification string of [discoInfo]; XEP-0115 §5.1.
func capsVersion() string {
	sum := sha1.Sum([]byte("client/pc//Papillon<" + strings.Join(sortedFeatures(), "<") + "<"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// caps is the payload of a presence that says what this side understands.
func caps() *stream.Element {
	return stream.NewElement(nsCaps, "c", "hash", "sha-1", "node", capsNode, "ver", capsVersion())
}
