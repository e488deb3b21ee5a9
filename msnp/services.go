package msnp

import (
	"strings"
)

// This file answers what clients ask a service that is none of this server's:
// their own version, web pages, mail, the member directory, pagers. They are told
// what keeps them going.

// webPage is named where the original service named a page of its own.
func (s *Server) webPage() string {
	if page := s.options.WebPage; page != "" {
		return page
	}
	return "http://localhost/"
}

// handleCVR tells the client that its own version is current, so that it shows
// no upgrade box: "CVR n lcid os version arch library build [codebase]".
func (c *conn) handleCVR(req *request) error {
	c.sendVersion("CVR", req)
	return nil
}

// laterCVR is CVR after the sign-in, where clients up to MSNP7 send it.
func laterCVR(n *notification, req *request) error { return n.handleCVR(req) }

// handleCVQ answers a client with which no dialect is in common, and ends the
// connection, as the real servers did.
func (c *conn) handleCVQ(req *request) error {
	if !c.versionOnly {
		return Errorf(CodeNotExpected, "CVQ with a dialect in common")
	}
	c.sendVersion("CVQ", req)
	return errEnd
}

func (c *conn) sendVersion(name string, req *request) {
	build, page := req.args[5], c.server.webPage()
	c.sendLine(name, req.trID, build, build, build, page, page)
}

// handlePNG answers a client's keepalive.
func (n *notification) handlePNG(*request) error {
	n.sendLine("QNG")
	return nil
}

// handleURL names the page of a service, with the path on it, the page to log in
// at and the site's number.
func (n *notification) handleURL(req *request) error {
	n.sendLine("URL", req.trID, "/", n.server.webPage(), "1")
	return nil
}

// handleFND searches the member directory, which has nobody in it:
// "FND n fname=… lname=… city=… state=… country=…".
func (n *notification) handleFND(req *request) error {
	for _, word := range req.args {
		if !strings.Contains(word, "=") {
			return Errorf(CodeInvalidParameter, "FND has no field in %q", word)
		}
	}
	n.sendLine("FND", req.trID, "0", "0")
	return nil
}

// handleSND takes an invitation by mail (SND, and SDC after FND). No mail is sent;
// clients know no answer that says so.
func (n *notification) handleSND(req *request) error {
	n.sendLine(req.name, req.trID, "OK")
	return nil
}

// handlePAG takes a message to a pager, of which there are none. PAG has no answer.
func (n *notification) handlePAG(*request) error { return nil }

// handleIMS switches calls off and on (WebTV): neither RNG nor XFR SB meanwhile.
func (n *notification) handleIMS(req *request) error {
	mode := strings.ToUpper(req.args[0])
	if mode != "ON" && mode != "OFF" {
		return Errorf(CodeInvalidParameter, "IMS %q", req.args[0])
	}
	n.mute.Store(mode == "OFF")
	n.sendLine("IMS", req.trID, "0", mode)
	return nil
}
