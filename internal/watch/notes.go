package watch

import (
	"lastcall/internal/note"
	"lastcall/internal/slurm/spool"
)

// sweepNotes removes what a service before this one left for users.
func (s *Service) sweepNotes(n *node) {
	live := map[uint32]bool{}
	steps, err := spool.Steps(n.SpoolDir, n.Node)
	for _, step := range steps {
		live[step.Job] = true
	}
	if err == nil {
		err = note.Sweep(s.Notes, n.Node, func(job uint32) bool { return live[job] })
	}
	if err != nil {
		s.Log(err.Error())
	}
}
