// Package deploy holds what a site installs beside the programs, so that the
// tests can use it as it is.
package deploy

import _ "embed"

// Unit is the systemd unit of the node service.
//
//go:embed lastcall-watch.service
var Unit string
