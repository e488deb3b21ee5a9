package msnp

import (
	"errors"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"papillon/msnp/wire"
)

// request is one command as it came.
type request struct {
	name    string
	trID    string // verbatim; "" where the command has none
	args    []string
	payload []byte
}

// handle returns the word that names somebody. Miranda 0.1 escapes the percent sign
// in it, others the @; everything else that looks like an escape stays, since the
// percent sign stands in handles of other networks (bob%matrix.org@hotmail.com).
func (r *request) handle(i int) string {
	word := r.args[i]
	if strings.IndexByte(word, '%') < 0 {
		return word
	}
	return strings.ReplaceAll(strings.ReplaceAll(word, "%40", "@"), "%25", "%")
}

// command is a row of the dispatch table: what is common to all commands is
// checked here, once, and the handlers only see what has passed.
type command struct {
	spec string // where the command is specified
	// plain commands have no transaction id.
	plain bool
	// args is how many words must stand behind the transaction id. More are
	// tolerated: gaim sends a handle too many in REM, MSN.pm a blank at the
	// end of INF.
	args int
	// payload says that the last of those words counts the bytes that follow,
	// mayPayload that the last word of the line does if it stands behind them and
	// is a number.
	payload, mayPayload bool
	// slow commands may wait for a network; what is pushed meanwhile is not
	// held back for them.
	slow bool

	// One handler for each kind of connection on which the command means
	// something; fresh is one that has not signed in.
	fresh        func(*conn, *request) error
	notification func(*notification, *request) error
	switchboard  func(*switchboard, *request) error
}

// commands is the dispatch table. It is filled here and never changed.
var commands = map[string]command{
	"VER": {spec: "draft-movva-00 §7.1", fresh: (*conn).handleVER, notification: secondVER},
	"INF": {spec: "draft-movva-00 §7.2", fresh: (*conn).handleINF, notification: laterINF},
	"USR": {spec: "draft-movva-00 §7.3, §8.2", args: 2, fresh: (*conn).handleUSR, notification: secondUSR},
	"ANS": {spec: "draft-movva-00 §8.4", args: 3, fresh: (*conn).handleANS},
	"OUT": {spec: "draft-movva-00 §7.10, §8.6", plain: true,
		fresh: (*conn).handleOUT, notification: (*notification).handleOUT, switchboard: (*switchboard).handleOUT},

	"SYN": {spec: "draft-movva-00 §7.5", args: 1, notification: (*notification).handleSYN},
	"LST": {spec: "draft-movva-00 §7.6", args: 1, notification: (*notification).handleLST},
	"GTC": {spec: "draft-movva-00 §7.6", args: 1, notification: (*notification).handleGTC},
	"BLP": {spec: "draft-movva-00 §7.6", args: 1, notification: (*notification).handleBLP},
	"ADD": {spec: "draft-movva-00 §7.8", args: 2, slow: true, notification: (*notification).handleADD},
	"REM": {spec: "draft-movva-00 §7.8", args: 2, notification: (*notification).handleREM},
	"REA": {spec: "draft-movva-00, note before the text", args: 2, notification: (*notification).handleREA},
	"CHG": {spec: "draft-movva-00 §7.7", args: 1, notification: (*notification).handleCHG},
	"XFR": {spec: "draft-movva-00 §8.1", args: 1, notification: (*notification).handleXFR},

	// What the draft leaves out and clients send. PRP came with MSNP5, QRY with
	// MSNP6, the four for groups with MSNP7; whoever else sends them is answered all
	// the same.
	"CVR": {spec: "MSN Messenger 1.0", args: 6, fresh: (*conn).handleCVR, notification: laterCVR},
	"CVQ": {spec: "MSN Messenger 1.0", args: 6, fresh: (*conn).handleCVQ},
	"PNG": {spec: "MSN Messenger 1.0", plain: true, notification: (*notification).handlePNG},
	"URL": {spec: "MSN Messenger 1.0", args: 1, notification: (*notification).handleURL},
	"FND": {spec: "MSN Messenger 1.0", args: 1, notification: (*notification).handleFND},
	"SND": {spec: "MSN Messenger 1.0", args: 1, notification: (*notification).handleSND},
	"SDC": {spec: "MSNP5", args: 7, mayPayload: true, notification: (*notification).handleSND},
	"PAG": {spec: "MSNP5", args: 2, payload: true, notification: (*notification).handlePAG},
	"IMS": {spec: "MSNP3", args: 1, notification: (*notification).handleIMS},
	"PRP": {spec: "MSNP5", args: 1, notification: (*notification).handlePRP},
	"QRY": {spec: "MSNP6", args: 2, payload: true, notification: (*notification).handleQRY},
	"LSG": {spec: "MSNP7", notification: (*notification).handleLSG},
	"ADG": {spec: "MSNP7", args: 1, notification: (*notification).handleADG},
	"REG": {spec: "MSNP7", args: 2, notification: (*notification).handleREG},
	"RMG": {spec: "MSNP7", args: 1, notification: (*notification).handleRMG},

	"CAL": {spec: "draft-movva-00 §8.3", args: 1, slow: true, switchboard: (*switchboard).handleCAL},
	"MSG": {spec: "draft-movva-00 §8.7", args: 2, payload: true, switchboard: (*switchboard).handleMSG},
}

// dispatch checks a command against the table and runs its handler. It returns
// an error only to end the connection.
func (c *conn) dispatch(words []string) error {
	cmd, known := commands[words[0]]
	if !known {
		if c.ns == nil && c.sb == nil && !looksLikeCommand(words) {
			return errNotMSN
		}
		return c.mistake(words, Errorf(CodeSyntax, "unknown command %q", words[0]))
	}
	req, err := c.parse(cmd, words)
	if err == nil {
		c.traceCommand(req)
		err = c.run(cmd, req)
	}
	if err == nil {
		c.mistakes = 0
		return nil
	}
	return c.answerError(req.trID, err)
}

// errNotMSN ends a connection whose first line is no MSN command.
var errNotMSN = errors.New("the client does not speak MSNP")

// looksLikeCommand says whether a line has the form of a command: three capital
// letters and a transaction id. A browser's "GET /" has not.
func looksLikeCommand(words []string) bool {
	name := words[0]
	if len(name) != 3 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || len(words) < 2 {
		return false
	}
	_, ok := wire.ParseTrID(words[1])
	return ok
}

// parse takes a line apart as its command says and reads the payload. The
// request is never nil.
func (c *conn) parse(cmd command, words []string) (*request, error) {
	req := &request{name: words[0], args: words[1:]}
	if !cmd.plain {
		req.trID = "0"
		if len(req.args) > 0 {
			if id, ok := wire.ParseTrID(req.args[0]); ok {
				req.trID, req.args = id, req.args[1:]
			} else {
				return req, c.unparsable(cmd, Errorf(CodeSyntax, "%s has no transaction id", req.name))
			}
		}
	}
	if len(req.args) < cmd.args {
		return req, c.unparsable(cmd, Errorf(CodeFieldsMissing, "%s lacks words", req.name))
	}
	counter := cmd.args - 1
	if last := len(req.args) - 1; cmd.mayPayload && last >= cmd.args && isNumber(req.args[last]) {
		counter = last
	} else if !cmd.payload {
		return req, nil
	}
	length, ok := wire.ParseLength(req.args[counter])
	if !ok {
		return req, errors.Join(errGarbage, Errorf(CodeSyntax, "%s has no length", req.name))
	}
	c.awaitPayload(length)
	payload, err := c.reader.ReadPayload(length)
	if err != nil {
		return req, readError{err}
	}
	req.payload = payload
	return req, nil
}

// readError is the end of a connection in the middle of a command.
type readError struct{ error }

// Unwrap returns what ended it.
func (e readError) Unwrap() error { return e.error }

// isReadError says whether an error is one: what follows on the connection cannot be
// understood any more.
func isReadError(err error) bool {
	var read readError
	return errors.As(err, &read)
}

// unparsable returns what to do about a line that cannot be taken apart. Where
// a payload follows nobody knows how long it is: the connection cannot go on.
func (c *conn) unparsable(cmd command, err *Error) error {
	if cmd.payload {
		return errors.Join(errGarbage, err)
	}
	return err
}

// malformed answers a line with a byte that has no place in one. Where a payload
// follows it would be taken for commands.
func (c *conn) malformed(line *wire.SyntaxError) error {
	err := Errorf(CodeSyntax, "%s", line.Reason)
	if len(line.Words) > 0 && commands[line.Words[0]].payload {
		return c.answerError(trIDOf(line.Words), errors.Join(errGarbage, err))
	}
	return c.mistake(line.Words, err)
}

// errGarbage ends a connection whose input cannot be followed any more.
var errGarbage = errors.New("input cannot be followed")

// run calls the handler for the kind of connection this is.
func (c *conn) run(cmd command, req *request) error {
	if !cmd.slow {
		c.out.hold()
		defer c.out.release()
	}
	switch {
	case c.ns != nil && cmd.notification != nil:
		return cmd.notification(c.ns, req)
	case c.ns != nil:
		return Errorf(CodeSwitchboardFailed, "%s belongs on a switchboard connection", req.name)
	case c.sb != nil && cmd.switchboard != nil:
		return cmd.switchboard(c.sb, req)
	case c.sb == nil && cmd.fresh != nil:
		return cmd.fresh(c, req)
	default:
		return Errorf(CodeNotLoggedIn, "%s needs a signed-in notification connection", req.name)
	}
}

// answerError is the one place that turns an error into an answer: an [*Error]
// is meant for the client; what ends the connection is returned; anything else
// is the server's own trouble.
func (c *conn) answerError(trID string, err error) error {
	var answer *Error
	switch {
	case errors.Is(err, errEnd), isReadError(err), c.life.ended():
		return err
	case errors.Is(err, errGarbage):
		errors.As(err, &answer)
		c.sendError(answer.Code, trID)
		c.log(zerolog.InfoLevel).Err(answer).Msg("Connection closed: its input cannot be followed")
		return errEnd
	case errors.As(err, &answer):
		return c.mistake([]string{"", trID}, answer)
	default:
		c.log(zerolog.ErrorLevel).Err(err).Msg("Command failed; client told 500")
		c.sendError(CodeInternalServer, trID)
		return nil
	}
}

// trIDOf returns the transaction id in the words of a line; 0 where there is none.
func trIDOf(words []string) string {
	if len(words) > 1 {
		if id, ok := wire.ParseTrID(words[1]); ok {
			return id
		}
	}
	return "0"
}

// mistake answers a command that was refused. Words are what could be read of
// it: the second one is its transaction id, if it has one.
func (c *conn) mistake(words []string, answer *Error) error {
	c.log(zerolog.DebugLevel).Err(answer).Msg("Command refused")
	c.sendError(answer.Code, trIDOf(words))
	if answer.closes() {
		return errEnd
	}
	if answer.Code == CodeSyntax || answer.Code == CodeFieldsMissing {
		if c.mistakes++; c.mistakes >= maxMistakes {
			c.log(zerolog.InfoLevel).Int("mistakes", c.mistakes).Msg("Connection closed: nothing but malformed commands")
			return errEnd
		}
	}
	return nil
}

// traceCommand writes a command to the log at trace level, without digests and
// message texts.
func (c *conn) traceCommand(req *request) {
	ev := c.log(zerolog.TraceLevel)
	if ev == nil {
		return
	}
	ev = ev.Str("command", req.name).Str("trid", req.trID)
	if req.name != "USR" && req.name != "ANS" {
		ev = ev.Strs("args", req.args)
	}
	ev.Int("payload", len(req.payload)).Msg("Received")
}

// codeWord writes an error code as it stands on the wire.
func codeWord(code Code) string { return strconv.Itoa(int(code)) }
