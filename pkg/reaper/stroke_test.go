package reaper

import (
	"context"
	"testing"
	"time"
)

// striking is a world whose processes can be ended in one stroke.
type striking struct{ *world }

func (s striking) KillWhole(member func(pid int) bool) (hit []int) {
	for _, p := range s.processes {
		if p.ours && !p.dead && member(p.key.PID) {
			hit = append(hit, p.key.PID)
			p.dead = !p.stuck
		}
	}
	return hit
}

func (s striking) Emptied(most time.Duration) bool {
	for _, p := range s.processes {
		if p.ours && !p.dead {
			s.advance(s.now + most)
			return false
		}
	}
	return true
}

func TestAStrokeKills(t *testing.T) {
	w := &world{}
	w.add(fake{ours: true})
	report := Reap(context.Background(), Ladder{Settle: time.Second, Deadline: 10 * time.Second}, striking{w}, w)
	if len(report.Results) != 1 || report.Results[0].Outcome != Killed {
		t.Errorf("%+v", report)
	}
}

// Who was hit by a stroke is waited for with all others, without a handle.
func TestAStrokeNeedsNoHandles(t *testing.T) {
	w := &world{}
	for range 1000 {
		w.add(fake{ours: true, ignores: true, dies: -1})
	}
	report := Reap(context.Background(), Ladder{Settle: time.Second, Deadline: 10 * time.Second}, striking{w}, w)
	for _, result := range report.Results {
		if result.Outcome != Killed {
			t.Fatalf("%+v", result)
		}
	}
	if len(report.Results) != 1000 || w.opened > 0 || report.Looks != 2 {
		t.Errorf("%d results, %d handles, %d looks", len(report.Results), w.opened, report.Looks)
	}
}

// Who does not die of it gets a SIGKILL of its own and is known by name.
func TestAStrokeThatDoesNotEndAll(t *testing.T) {
	w := &world{}
	stuck := w.add(fake{ours: true, stuck: true, dies: -1})
	w.add(fake{ours: true, dies: -1})
	report := Reap(context.Background(), Ladder{Settle: time.Second, Deadline: 10 * time.Second}, striking{w}, w)
	if stuck.kill != 1 || w.now > 2*time.Second || report.Results[0].Outcome != Unkillable || report.Results[1].Outcome != Killed {
		t.Errorf("%+v after %s: %+v", stuck, w.now, report)
	}
}

// dodging is a striking world in which one process is moved out of the way
// right before the stroke falls.
type dodging struct{ striking }

func (d dodging) KillWhole(member func(pid int) bool) (hit []int) {
	if d.looks > 1 {
		return nil
	}
	for _, p := range d.processes {
		hit = append(hit, p.key.PID)
		p.dead = p != d.processes[0]
	}
	return hit
}

func (dodging) Emptied(time.Duration) bool { return true }

func TestAProcessThatDodgesTheStroke(t *testing.T) {
	w := &world{}
	dodger := w.add(fake{ours: true, dies: -1})
	w.add(fake{ours: true, dies: -1})
	report := Reap(context.Background(), Ladder{Settle: time.Second, Deadline: 10 * time.Second}, dodging{striking{w}}, w)
	if !dodger.dead || dodger.kill != 1 || report.Results[0].Outcome != Killed || report.Alive() {
		t.Errorf("%+v: %+v", dodger, report)
	}
}

// A stroke must not take the server of a file system with its users.
func TestAStrokeSparesWhoIsLast(t *testing.T) {
	w := &world{}
	w.add(fake{ours: true, dies: -1})
	server := w.add(fake{ours: true, last: true, dies: -1})
	var struck []bool
	target := asking{striking{w}, func(member func(pid int) bool) { struck = append(struck, member(server.key.PID)) }}
	Reap(context.Background(), Ladder{Settle: time.Second, Deadline: 10 * time.Second}, target, w)
	if len(struck) != 2 || struck[0] || !struck[1] || !server.dead {
		t.Errorf("%v, %+v", struck, server)
	}
}

// asking tells what a stroke may hit.
type asking struct {
	striking
	tell func(member func(pid int) bool)
}

func (a asking) KillWhole(member func(pid int) bool) []int {
	a.tell(member)
	return a.striking.KillWhole(member)
}
