package hook

import (
	"lastcall/internal/forensics"
	"lastcall/pkg/reaper"
)

// exitCode is THE table from outcome to exit code. An Epilog that does not
// end with 0 drains its node (slurmctld, job_epilog_complete), so anything
// but 0 needs a proof and the site's wish.
func exitCode(verdict forensics.Verdict, drain bool) int {
	if verdict == forensics.Unkillable && drain {
		return 1
	}
	return 0
}

// verdictOf names the outcome of a run that got as far as looking.
func verdictOf(report reaper.Report, counts forensics.Counts, observe bool) forensics.Verdict {
	switch {
	case report.Hold != "":
		return forensics.LiveStep
	case observe && counts.Survivors() > 0:
		return forensics.Observed
	case counts.Unkillable > 0:
		return forensics.Unkillable
	case report.Cut && counts.Left > 0:
		return forensics.Interrupted
	case counts.Left > 0 && report.Err != nil && !report.Late:
		return forensics.Failed
	case counts.Left > 0 || report.Late:
		return forensics.Deadline
	case report.Looks == 0 || report.Unproven || report.Err != nil && counts.Survivors() == 0:
		return forensics.Failed
	case counts.Survivors() > 0:
		return forensics.Cleaned
	case counts.Spared > 0:
		return forensics.SparedOnly
	}
	return forensics.Clean
}
