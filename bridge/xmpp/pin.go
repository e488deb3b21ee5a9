//go:build pin

package xmpp

import _ "mellium.im/xmpp" // keeps the version in go.mod until the network uses it
