// Package spool reads what slurmd and its slurmstepds leave in slurmd's spool
// folder: a socket for each living step, and cred_state, in which slurmd
// writes down which jobs it was told to end. Reading them costs no question
// to any daemon.
package spool

import "errors"

// ErrFormat says that cred_state is not in a form this package knows for
// certain: a newer Slurm, or a file that is being damaged. Nothing may be
// concluded from it.
var ErrFormat = errors.New("not a cred_state of Slurm 20.11 to 26.05")

// StateFile is the name of slurmd's list of credentials in the spool folder.
// slurmd writes cred_state.new, removes cred_state, makes it again by link(2)
// and removes cred_state.new (save_cred_state): who watches the folder acts on
// the appearance of this name, when the file is whole. For a moment before it
// there is none.
const StateFile = "cred_state"
