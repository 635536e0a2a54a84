package hook

import (
	"os"
	"testing"

	"lastcall/internal/forensics"
	"lastcall/pkg/reaper"
)

func TestExitCode(t *testing.T) {
	for _, verdict := range []forensics.Verdict{
		forensics.Clean, forensics.Cleaned, forensics.SparedOnly, forensics.LiveStep, forensics.Observed, forensics.Off,
		forensics.NoIdentity, forensics.Unkillable, forensics.Deadline, forensics.Interrupted, forensics.Failed, forensics.Bug,
	} {
		for _, drain := range []bool{false, true} {
			want := 0
			if verdict == forensics.Unkillable && drain {
				want = 1
			}
			if got := exitCode(verdict, drain); got != want {
				t.Errorf("%s, drain %v: %d, want %d", verdict, drain, got, want)
			}
		}
	}
}

func TestVerdictOf(t *testing.T) {
	looked := reaper.Report{Looks: 1}
	tests := []struct {
		name    string
		report  reaper.Report
		counts  forensics.Counts
		observe bool
		want    forensics.Verdict
	}{
		{"nothing", looked, forensics.Counts{}, false, forensics.Clean},
		{"nothing, observing", looked, forensics.Counts{}, true, forensics.Clean},
		{"ended", looked, forensics.Counts{Terminated: 1, Spared: 2}, false, forensics.Cleaned},
		{"gone by itself", looked, forensics.Counts{Exited: 1}, false, forensics.Cleaned},
		{"spared", looked, forensics.Counts{Spared: 1}, false, forensics.SparedOnly},
		{"observed", looked, forensics.Counts{Left: 1}, true, forensics.Observed},
		{"unkillable", looked, forensics.Counts{Unkillable: 1, Left: 1}, false, forensics.Unkillable},
		{"late", looked, forensics.Counts{Left: 1, Killed: 3}, false, forensics.Deadline},
		{"late, all known are gone, nobody looked again", reaper.Report{Looks: 2, Late: true}, forensics.Counts{Exited: 3}, false, forensics.Deadline},
		{"cut", reaper.Report{Looks: 1, Cut: true}, forensics.Counts{Left: 1}, false, forensics.Interrupted},
		{"cut, but all were gone", reaper.Report{Looks: 1, Cut: true}, forensics.Counts{Killed: 1}, false, forensics.Cleaned},
		{"held", reaper.Report{Looks: 2, Hold: "live-step"}, forensics.Counts{Left: 1}, false, forensics.LiveStep},
		{"may not be signalled", reaper.Report{Looks: 2, Err: os.ErrPermission}, forensics.Counts{Left: 1}, false, forensics.Failed},
		{"late, and something did not work", reaper.Report{Looks: 2, Err: os.ErrPermission, Late: true}, forensics.Counts{Left: 1}, false, forensics.Deadline},
		{"ended, but not proven", reaper.Report{Looks: 2, Err: os.ErrPermission, Unproven: true}, forensics.Counts{Killed: 1}, false, forensics.Failed},
		{"ended, though a look failed in between", reaper.Report{Looks: 2, Err: os.ErrPermission}, forensics.Counts{Killed: 1}, false, forensics.Cleaned},
		{"could not look", reaper.Report{Err: reaper.Report{}.Err}, forensics.Counts{}, false, forensics.Failed},
	}
	for _, test := range tests {
		if got := verdictOf(test.report, test.counts, test.observe); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// A mistake of our own is written down and drains nothing.
func TestABugEndsInZero(t *testing.T) {
	r := newRun(Epilog, nil)
	r.config.LogPath = t.TempDir() + "/log"
	if got := r.bug("told so"); got != 0 || r.record.Verdict != forensics.Bug || len(r.record.Warnings) != 2 {
		t.Errorf("%d, %+v", got, r.record)
	}
	// Not even when the writing down fails.
	var none *run
	if got := none.bug("told so"); got != 0 {
		t.Error(got)
	}
}
