package xmpp

// The namespaces of the payloads that are understood here.
const (
	nsAddresses   = "http://jabber.org/protocol/address"      // XEP-0033
	nsAttention   = "urn:xmpp:attention:0"                    // XEP-0224
	nsCaps        = "http://jabber.org/protocol/caps"         // XEP-0115
	nsChatStates  = "http://jabber.org/protocol/chatstates"   // XEP-0085
	nsConference  = "jabber:x:conference"                     // XEP-0249
	nsCorrect     = "urn:xmpp:message-correct:0"              // XEP-0308
	nsDelay       = "urn:xmpp:delay"                          // XEP-0203
	nsDelayOld    = "jabber:x:delay"                          // XEP-0091
	nsDiscoInfo   = "http://jabber.org/protocol/disco#info"   // XEP-0030
	nsDiscoItems  = "http://jabber.org/protocol/disco#items"  // XEP-0030
	nsEncryption  = "urn:xmpp:eme:0"                          // XEP-0380
	nsFallback    = "urn:xmpp:fallback:0"                     // XEP-0428
	nsFasten      = "urn:xmpp:fasten:0"                       // XEP-0422
	nsFileSharing = "urn:xmpp:sfs:0"                          // XEP-0447
	nsFile        = "urn:xmpp:file:metadata:0"                // XEP-0446
	nsFileOld     = "urn:xmpp:jingle:apps:file-transfer:5"    // XEP-0234, in XEP-0385
	nsHints       = "urn:xmpp:hints"                          // XEP-0334
	nsIdle        = "urn:xmpp:idle:1"                         // XEP-0319
	nsJingle      = "urn:xmpp:jingle-message:0"               // XEP-0353
	nsLast        = "jabber:iq:last"                          // XEP-0256
	nsMarkers     = "urn:xmpp:chat-markers:0"                 // XEP-0333
	nsModerate    = "urn:xmpp:message-moderate:1"             // XEP-0425
	nsModerateOld = "urn:xmpp:message-moderate:0"             // XEP-0425 0.2
	nsMUC         = "http://jabber.org/protocol/muc"          // XEP-0045
	nsMUCUser     = "http://jabber.org/protocol/muc#user"     // XEP-0045
	nsNick        = "http://jabber.org/protocol/nick"         // XEP-0172
	nsOOB         = "jabber:x:oob"                            // XEP-0066
	nsPGP         = "jabber:x:encrypted"                      // XEP-0027
	nsPing        = "urn:xmpp:ping"                           // XEP-0199
	nsPubSub      = "http://jabber.org/protocol/pubsub"       // XEP-0060
	nsPubSubEvent = "http://jabber.org/protocol/pubsub#event" // XEP-0060
	nsReactions   = "urn:xmpp:reactions:0"                    // XEP-0444
	nsReceipts    = "urn:xmpp:receipts"                       // XEP-0184
	nsReference   = "urn:xmpp:reference:0"                    // XEP-0372
	nsReply       = "urn:xmpp:reply:0"                        // XEP-0461
	nsRetract     = "urn:xmpp:message-retract:1"              // XEP-0424
	nsRetractOld  = "urn:xmpp:message-retract:0"              // XEP-0424 0.3
	nsSharing     = "urn:xmpp:sims:1"                         // XEP-0385
	nsSID         = "urn:xmpp:sid:0"                          // XEP-0359
	nsStyling     = "urn:xmpp:styling:0"                      // XEP-0393
	nsURLData     = "http://jabber.org/protocol/url-data"     // XEP-0103
	nsVCard       = "vcard-temp"                              // XEP-0054
	nsXHTML       = "http://jabber.org/protocol/xhtml-im"     // XEP-0071
	nsXHTMLBody   = "http://www.w3.org/1999/xhtml"            // XEP-0071
)

// omemo are the namespaces of XEP-0384, old and new.
var omemo = []string{"eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:omemo:1", "urn:xmpp:omemo:0"}
