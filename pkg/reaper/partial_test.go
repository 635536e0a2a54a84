package reaper

import (
	"testing"
	"time"
)

// A look that was cut off proves nothing: who was not seen is found and ended,
// and if that never happens the report says so.
func TestPartialLooksProveNothing(t *testing.T) {
	for _, partial := range []int{3, 1 << 30} {
		w := &world{partial: partial}
		for range 8 {
			w.add(fake{ours: true, dies: -1, ignores: true})
		}
		report := Reap(t.Context(), ladder, w, w)
		alive := 0
		for _, p := range w.processes {
			if !p.dead {
				alive++
			}
		}
		switch {
		case partial == 3 && (alive > 0 || report.Unproven || report.Late):
			t.Errorf("%d are left, unproven %v, late %v", alive, report.Unproven, report.Late)
		case partial > 3 && (!report.Unproven || !report.Late || w.now > ladder.Deadline+time.Second):
			t.Errorf("looks that never see everybody: unproven %v, late %v, after %s", report.Unproven, report.Late, w.now)
		}
	}
}
