package hook

import "testing"

func TestOwnStepIsKept(t *testing.T) {
	keep := ownStep("extern")
	tests := map[string]bool{
		"": true, "/step_extern": true, "/step_extern/slurm": true, "/step_extern/user/task_0": true,
		"/step_extern/user/task_0/nested": false, "/step_extern/other": false,
		"/step_batch": false, "/step_batch/user/task_0": false, "/container": false,
	}
	for below, want := range tests {
		if got := keep(below); got != want {
			t.Errorf("%q is kept: %v", below, got)
		}
	}
	if keep := ownStep(""); keep("/step_0") || !keep("") {
		t.Error("a hook at the job's level keeps the job's folder alone")
	}
}
