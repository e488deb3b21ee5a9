//go:build tools

// Package tools pins the Matrix homeserver that the demo and the tests run as
// a process of its own. Nothing of it is ever linked into Papillon: Dendrite is
// AGPL-3.0 and its wiring lives in internal packages anyway.
package tools

import (
	_ "github.com/element-hq/dendrite/cmd/dendrite"
	_ "github.com/element-hq/dendrite/cmd/generate-keys"
)
