package slurmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseArguments(t *testing.T) {
	tests := []struct {
		arguments string
		want      options
	}{
		{"slurmd", options{}},
		{"slurmd -D -s -N n1 -f /x", options{node: "n1", conf: "/x"}},
		{"slurmd -DsNn1", options{node: "n1"}},
		{"slurmd -vvvf/x", options{conf: "/x"}},
		{"slurmd -L -N -d -f -n -N", options{}}, // values that look like options
		{"slurmd -LN -N n2", options{node: "n2"}},
		{"slurmd -N n1 -N n2", options{node: "n2"}},
		{"slurmd --conf-server a:1,b:2 -N n1", options{configless: true, node: "n1"}},
		{"slurmd --conf-s=a -N n1", options{configless: true, node: "n1"}},
		{"slurmd --conf -N -N n1", options{node: "n1"}},
		{"slurmd --inst x -N n1", options{node: "n1"}}, // two options begin so: slurmd refuses it
		{"slurmd --instance-i -N -N n1", options{node: "n1"}},
		{"slurmd --systemd -N n1", options{node: "n1"}},
		{"slurmd --unknown -N n1", options{node: "n1"}},
		{"slurmd -- -N n1", options{}},
		{"slurmd - -N n1", options{node: "n1"}},
		{"slurmd word -N n1", options{node: "n1"}},
		{"slurmd -Z", options{dynamic: true}},
		{"slurmd -DZ -N n1", options{dynamic: true, node: "n1"}},
		{"slurmd -F -N n1", options{future: true, node: "n1"}},
		{"slurmd -FNn1", options{future: true}},
		{"slurmd -N", options{}},
	}
	for _, test := range tests {
		got := parseArguments(strings.Fields(test.arguments))
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(options{})); diff != "" {
			t.Errorf("%s: %s", test.arguments, diff)
		}
	}
}

func FuzzParseArguments(f *testing.F) {
	f.Add("slurmd\n-DN\nn1\n--conf-server=x\n-F")
	f.Fuzz(func(t *testing.T, text string) {
		o := parseArguments(strings.Split(text, "\n"))
		if !strings.Contains(text, o.node) || !strings.Contains(text, o.conf) {
			t.Errorf("%q was read as %+v", text, o)
		}
	})
}
