package controller

import (
	"errors"
	"strings"
	"testing"
)

// line22 is an answer of Slurm 22.05.8, line26 one of 26.05 as its source
// writes it.
const (
	line22 = "NodeName=n1 Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=8 CPUTot=8 CPULoad=0.49 AvailableFeatures=(null) ActiveFeatures=(null) Gres=(null) NodeAddr=127.0.0.1 NodeHostName=localhost Port=41291 Version=22.05.8 OS=Linux RealMemory=1 AllocMem=0 FreeMem=19118 Sockets=8 Boards=1 State=IDLE+DRAIN ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A Partitions=main  BootTime=1764093000 SlurmdStartTime=1764098000 LastBusyTime=1764098100 CfgTRES=cpu=8,mem=1M,billing=8 AllocTRES= CapWatts=n/a CurrentWatts=0 AveWatts=0 ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s Reason=Kill task failed [root@1764098123]  \n"
	line26 = "NodeName=n1 Arch=x86_64 State=MIXED+DRAIN ThreadsPerCore=1 Reason=Kill task failed (JobId=77 StepId=batch) [slurm@1764098123] Comment=x\n"
)

func TestParseNode(t *testing.T) {
	tests := []struct {
		text       string
		drained    bool
		job        uint32
		killFailed bool
		hindrance  string
	}{
		{line22, true, 0, true, ""},
		{line26, true, 77, true, ""},
		{strings.ReplaceAll(line22, "Kill task failed", "bad disk"), true, 0, false, ""},
		{strings.ReplaceAll(line22, "Kill task failed", "Kill task failed again"), true, 0, false, ""},
		{strings.ReplaceAll(line26, "JobId=77 ", "JobId=x "), true, 0, false, ""},
		{strings.ReplaceAll(line26, "JobId=77 ", "JobId=77777777777 "), true, 0, false, ""},
		{strings.ReplaceAll(line26, "batch)", "batch"), true, 0, false, ""},
		{strings.ReplaceAll(line26, " StepId=batch", ""), true, 0, false, ""},
		{strings.ReplaceAll(line22, "IDLE+DRAIN", "DOWN+DRAIN"), true, 0, true, "DOWN"},
		{strings.ReplaceAll(line22, "IDLE+DRAIN", "IDLE+DRAIN+MAINTENANCE"), true, 0, true, "MAINTENANCE"},
		{strings.ReplaceAll(line22, "IDLE+DRAIN", "IDLE+DRAIN*"), true, 0, true, "NOT_RESPONDING"},
		{"NodeName=n1 State=IDLE ThreadsPerCore=1", false, 0, false, ""},
	}
	for _, test := range tests {
		n, err := ParseNode(test.text, "n1")
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		job, ok := n.KillFailed()
		if n.Drained() != test.drained || ok != test.killFailed || ok && job != test.job || n.Hindrance() != test.hindrance {
			t.Errorf("%q: %+v, job %d %v, hindrance %q", test.text, n, job, ok, n.Hindrance())
		}
	}
	for _, bad := range []string{"", "NodeName=n2 State=IDLE x", "NodeName=n1 x", line22 + line22, "NodeName=n1 State=IDLE State=DRAIN x", "NodeName=n1 State=IDLE Reason=x", "NodeName=n1 State=IDLE Reason=x [root@1", "NodeName=n1 State=IDLE Reason=x [root]"} {
		if n, err := ParseNode(bad, "n1"); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %+v, %v", bad, n, err)
		}
	}
}

func FuzzParseNode(f *testing.F) {
	f.Add(line22)
	f.Add(line26)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNode(text, "n1")
		if err != nil {
			return
		}
		if _, ok := n.KillFailed(); ok && !strings.Contains(text, "Reason=Kill task failed") {
			t.Errorf("%q: %+v", text, n)
		}
	})
}
