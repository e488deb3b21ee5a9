// Package matrixtest builds, starts and stops a real Matrix homeserver, and
// makes people on it, for tests and for the demo.
//
// The homeserver is Dendrite, pinned by the module in tools/dendrite, or Synapse,
// pinned by tools/synapse/requirements.txt; see [Program]. It runs
// as a process of its own on loopback, with its databases in a folder of its
// own, without federation, and dies with the process that started it. Nothing
// here needs a testing.T, and nothing of either is linked in.
package matrixtest
