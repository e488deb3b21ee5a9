// Package xmpp is the place of the [papillon/bridge.Network] over XMPP. This
// version has none yet: the configuration refuses its settings.
package xmpp
