package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	"mellium.im/xmpp/stream"
)

// ErrTaken marks that another connection has the component's name already: one
// of this process, or one that the server knows. The credentials were right.
var ErrTaken = errors.New("another connection has the name")

// SASLError is a login that the server refused; RFC 6120 §6.5.
type SASLError struct {
	// Condition is the name of the defined condition, like "not-authorized".
	Condition string
	cause     error
}

// Error implements error. The server's own text is in it.
func (e *SASLError) Error() string {
	if text := e.cause.Error(); text != e.Condition {
		return "log in: " + e.Condition + ": " + text
	}
	return "log in: " + e.Condition
}

// Unwrap returns the library's error.
func (e *SASLError) Unwrap() error { return e.cause }

// fatalSASL are the refusals that a later try will meet again.
var fatalSASL = []string{
	"not-authorized", "account-disabled", "credentials-expired", "invalid-authzid", "mechanism-too-weak", "encryption-required",
}

// errNoMechanism: the server offers none of the ways to log in that we know.
var errNoMechanism = errors.New("the server offers no way to log in with a password (SCRAM-SHA-256, SCRAM-SHA-1 or PLAIN)")

// asSASLError recognizes a refused login. The library keeps the type of its
// error to itself, but writes it as XML.
func asSASLError(err error) error {
	var writer interface {
		error
		TokenReader() xml.TokenReader
	}
	if !errors.As(err, &writer) {
		return nil
	}
	if _, ok := writer.(stream.Error); ok {
		return nil
	}
	r := writer.TokenReader()
	for depth := 0; ; {
		token, readErr := r.Token()
		if start, ok := token.(xml.StartElement); ok {
			if depth++; depth == 1 && start.Name.Local != "failure" {
				return nil
			}
			if depth == 2 && start.Name.Local != "text" {
				return &SASLError{Condition: start.Name.Local, cause: err}
			}
		} else if _, ok := token.(xml.EndElement); ok {
			depth--
		}
		if readErr != nil || token == nil {
			return &SASLError{Condition: "not specified", cause: err}
		}
	}
}

// classify gives an error of a negotiation its marks.
func classify(err error) error {
	if refused := asSASLError(err); refused != nil {
		var e *SASLError
		if errors.As(refused, &e) && slices.Contains(fatalSASL, e.Condition) {
			return fmt.Errorf("%w: %w", ErrFatal, refused)
		}
		return refused
	}
	return err
}

// describe is the table of [Describe]: the first that fits speaks.
var describe = []struct {
	fits func(error) bool
	text string
}{
	{condition("not-authorized"), "the password is wrong, or the account does not exist"},
	{condition("account-disabled"), "the server has disabled the account"},
	{condition("credentials-expired"), "the password has expired: set a new one"},
	{condition("temporary-auth-failure"), "the server cannot check passwords at the moment"},
	{is(errNoMechanism), errNoMechanism.Error()},
	{is(errNoAddress), "this is not an XMPP address: one looks like alice@example.org"},
	{is(errNoDomain), "this is not a domain: a component's looks like msn.example.org"},
	{is(errSecret), "the server does not know the component's domain, or has another secret for it: both must be the same on both sides"},
	{is(errUnknown), "the server does not know the component's domain: it must stand in the server's configuration, and the port be the one for components"},
	{is(errPort), "what answers at the server's address takes no components: look for a mistake in the port"},
	{is(ErrTaken), "another connection already speaks for the component's domain: only one may"},
	{is(errNoTLS), "the server does not offer encryption (STARTTLS), without which no password is sent"},
	{streamError("conflict"), "another program has logged in with the same resource"},
	{streamError("host-unknown"), "the server does not serve this domain: look for a mistake in it, or set the server's address"},
	{streamError("host-gone"), "the server no longer serves this domain"},
	{streamError("system-shutdown"), "the server is shutting down"},
	{streamError("resource-constraint"), "the server is overloaded"},
	{streamError("policy-violation"), "the server ended the connection: policy violation"},
	{is(errNoService), "the domain says that it offers no XMPP"},
	{asType[x509.UnknownAuthorityError], "the server's certificate is not signed by an authority that is trusted here"},
	{asType[x509.HostnameError], "the server's certificate is for another name than the address's domain"},
	{expired, "the server's certificate has expired, or the clock here is wrong"},
	{asType[x509.CertificateInvalidError], "the server's certificate is not valid"},
	{asType[*tls.CertificateVerificationError], "the server's certificate is not trusted"},
	{asType[tls.RecordHeaderError], "the server does not speak TLS at this address: STARTTLS and direct TLS have ports of their own"},
	{is(syscall.ECONNREFUSED), "nothing answers at the server's address: look whether it runs, and for a mistake in the port"},
	{noSuchHost, "there is no such host"},
	{asType[*net.DNSError], "the name of the server could not be looked up: look at the network and its DNS"},
	{is(syscall.ENETUNREACH), "the network cannot be reached"},
	{is(syscall.EHOSTUNREACH), "the server cannot be reached"},
	{is(os.ErrDeadlineExceeded), "the server does not answer"},
	{is(context.DeadlineExceeded), "the server does not answer in time"},
	{is(errNotXML), "what answers at the server's address does not speak XMPP"},
	{is(errEnd), "the server ended the connection"},
	{is(io.EOF), "the server cut the connection"},
	{is(io.ErrUnexpectedEOF), "the server cut the connection"},
	{is(syscall.ECONNRESET), "the server cut the connection"},
	{halfXML, "the server cut the connection"},
	{asType[*xml.SyntaxError], "what answers at the server's address does not speak XMPP"},
}

// Describe makes one line of a connection's error that a user understands,
// without a full stop. What it does not know is said as the error says it.
func Describe(err error) string {
	if err == nil {
		return ""
	}
	for _, d := range describe {
		if d.fits(err) {
			return d.text
		}
	}
	return err.Error()
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func asType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func condition(name string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*SASLError](err)
		return ok && e.Condition == name
	}
}

func streamError(name string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[stream.Error](err)
		return ok && e.Err == name
	}
}

func expired(err error) bool {
	e, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && e.Reason == x509.Expired
}

// halfXML is how the library's decoder says that the connection was lost.
func halfXML(err error) bool {
	e, ok := errors.AsType[*xml.SyntaxError](err)
	return ok && e.Msg == "unexpected EOF"
}

func noSuchHost(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}
