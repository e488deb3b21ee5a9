package handle

import (
	"slices"
	"strings"
)

// Unwrap reads an address as somebody typed it into a window that insists on a
// domain of its own: with hotmail.com among the login domains,
// "bob%matrix.org@hotmail.com" is "bob@matrix.org". Everything else comes back
// as it is, "alice@hotmail.com" included. Login domains are compared without
// case.
//
// Some clients send "%" as "%25" (Miranda, gaim), so "%25" counts as "%". The
// one address this reads wrongly, a domain that begins with 25, can be typed as
// "bob%2525.example@hotmail.com". With more than one "%" the last one is the
// @, as in the mail addresses that the form is borrowed from.
func Unwrap(typed string, loginDomains []string) string {
	at := strings.LastIndexByte(typed, '@')
	if at < 0 || !slices.ContainsFunc(loginDomains, func(domain string) bool {
		return strings.EqualFold(domain, typed[at+1:])
	}) {
		return typed
	}
	inner := strings.ReplaceAll(typed[:at], "%25", "%")
	percent := strings.LastIndexByte(inner, '%')
	if percent <= 0 || percent == len(inner)-1 {
		return typed
	}
	return inner[:percent] + "@" + inner[percent+1:]
}
