package watch

import (
	"lastcall/internal/config"
	"lastcall/internal/stuck"
)

// policy is what may be done about processes that do not die.
func (s *Service) policy() *stuck.Policy {
	return &stuck.Policy{
		Observe: s.observes(), Release: s.Config.Locks.Unkillable == config.ReleaseLocks,
		ReleasePaths: s.Config.Locks.ReleasePaths, AbortFUSE: s.Config.OnUnkillable.AbortFUSE,
	}
}
