package store

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
)

// slowQuery is from when on a statement is worth a warning.
const slowQuery = time.Second

// queryLog tells dbutil's log to zerolog. Unlike dbutil's own it never writes
// the values of a statement, which may be somebody's message.
type queryLog struct{ log zerolog.Logger }

var _ dbutil.DatabaseLogger = queryLog{}

// QueryTiming logs slow statements.
func (q queryLog) QueryTiming(_ context.Context, method, query string, _ []any, _ int, took time.Duration, err error) {
	if took < slowQuery {
		return
	}
	q.log.Warn().Err(err).Str("method", method).Str("query", query).Dur("took", took).Msg("Database is slow")
}

// WarnUnsupportedVersion is never reached: such a database is refused.
func (q queryLog) WarnUnsupportedVersion(current, compat, latest int) {
	q.log.Warn().Int("schema", current).Int("compatible", compat).Int("known", latest).Msg("Database is of a newer version")
}

// PrepareUpgrade logs the version found.
func (q queryLog) PrepareUpgrade(current, _, latest int) {
	q.log.Debug().Int("schema", current).Int("latest", latest).Msg("Database opened")
}

// DoUpgrade logs a change of the schema.
func (q queryLog) DoUpgrade(from, to int, message string, _ dbutil.TxnMode) {
	q.log.Info().Int("from", from).Int("to", to).Str("change", message).Msg("Database schema is being upgraded")
}

// Warn is dbutil's former way to report trouble; it returns errors instead.
func (q queryLog) Warn(message string, args ...any) {
	q.log.Warn().Interface("args", args).Msg(message)
}
