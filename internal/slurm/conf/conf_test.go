package conf

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files is a configuration in memory.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func read(f files) (*Conf, error) { return Read("/etc/slurm/slurm.conf", f.read, gone) }

var defaults = Conf{SpoolDir: "/var/spool/slurmd", Proctrack: "cgroup", KillWait: 30 * time.Second}

func TestRead(t *testing.T) {
	with := func(change func(*Conf)) Conf {
		c := defaults
		change(&c)
		return c
	}
	tests := []struct {
		name  string
		files files
		want  Conf
	}{
		{"nothing", files{"/etc/slurm/slurm.conf": ""}, defaults},
		{
			"keys in any case",
			files{"/etc/slurm/slurm.conf": "CLUSTERNAME=Alps\nkillwait = 45\nSlurmdSpoolDir=/spool/%n\nProcTrackType=proctrack/linuxproc\n"},
			with(func(c *Conf) {
				c.Cluster, c.KillWait, c.SpoolDir, c.Proctrack = "alps", 45*time.Second, "/spool/%n", "linuxproc"
			}),
		},
		{"comments", files{"/etc/slurm/slurm.conf": "# KillWait=1\nKillWait=2#3\nSlurmdSpoolDir=/a\\#b # c\n"}, with(func(c *Conf) { c.KillWait, c.SpoolDir = 2*time.Second, "/a#b" })},
		{"continued lines", files{"/etc/slurm/slurm.conf": "KillWait\\\n = \\  \n7\n"}, with(func(c *Conf) { c.KillWait = 7 * time.Second })},
		{"a backslash at the end that is escaped", files{"/etc/slurm/slurm.conf": "SlurmdSpoolDir=/a\\\\\nKillWait=7\n"}, with(func(c *Conf) { c.SpoolDir, c.KillWait = `/a\`, 7*time.Second })},
		{"quotes", files{"/etc/slurm/slurm.conf": "SlurmdSpoolDir=\"/a b\"\nClusterName=\"x\"y\n"}, with(func(c *Conf) { c.SpoolDir, c.Cluster = "/a b", `"x"y` })},
		{"the last one counts", files{"/etc/slurm/slurm.conf": "KillWait=1\nKillWait=2\n"}, with(func(c *Conf) { c.KillWait = 2 * time.Second })},
		{"no pair", files{"/etc/slurm/slurm.conf": "KillWait\n=3\nwhat is this\n"}, defaults},
		{
			"includes start at slurm.conf's folder",
			files{
				"/etc/slurm/slurm.conf":    "ClusterName=Alps\nInclude sub/%c.conf\ninclude /abs.conf\n Include not/at/the/start\nInclude *.glob\n",
				"/etc/slurm/sub/alps.conf": "Include two.conf\n", "/etc/slurm/two.conf": "KillWait=11\n", "/abs.conf": "SlurmdSpoolDir=/s\n",
			},
			with(func(c *Conf) { c.Cluster, c.KillWait, c.SpoolDir = "alps", 11*time.Second, "/s" }),
		},
		{"cgroup.conf", files{"/etc/slurm/slurm.conf": "", "/etc/slurm/cgroup.conf": "SignalChildrenProcesses=YES\n"}, with(func(c *Conf) { c.SignalsChildren = true })},
		{"cgroup.conf says no", files{"/etc/slurm/slurm.conf": "", "/etc/slurm/cgroup.conf": "SignalChildrenProcesses=no\n"}, defaults},
	}
	for _, test := range tests {
		got, err := read(test.files)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, *got, cmp.AllowUnexported(Conf{})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestComplaintsNameTheLine(t *testing.T) {
	tests := []struct {
		files files
		want  string
	}{
		{files{"/etc/slurm/slurm.conf": "\n\nKillWait=soon\n"}, `/etc/slurm/slurm.conf:3: KillWait="soon": expected seconds`},
		{files{"/etc/slurm/slurm.conf": "A=\\\n1\nKillWait=-1\n"}, `/etc/slurm/slurm.conf:3: KillWait="-1"`},
		{files{"/etc/slurm/slurm.conf": "", "/etc/slurm/cgroup.conf": "SignalChildrenProcesses=maybe"}, `/etc/slurm/cgroup.conf:1: SignalChildrenProcesses="maybe"`},
		{files{"/etc/slurm/slurm.conf": "Include slurm.conf\n"}, "included at /etc/slurm/slurm.conf:1: "},
		{files{"/etc/slurm/slurm.conf": strings.Repeat("#\n", mostOf)}, "/etc/slurm/slurm.conf: more than"},
	}
	for _, test := range tests {
		_, err := read(test.files)
		if !errors.Is(err, ErrConf) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	for _, text := range []files{{}, {"/etc/slurm/slurm.conf": "Include nothing.conf\n"}} {
		if _, err := read(text); !gone(err) {
			t.Errorf("a missing file: %v", err)
		}
	}
}

func TestHosts(t *testing.T) {
	tests := []struct {
		list string
		want string // "!" for an error
	}{
		{"", ""},
		{"n1", "n1"},
		{"n1,n2,", "n1 n2"},
		{"n[1-3,7]", "n1 n2 n3 n7"},
		{"n[08-11]x", "n08x n09x n10x n11x"},
		{"a[1-2]b[1-2],c", "a1b1 a1b2 a2b1 a2b2 c"},
		{"n[1", "!"},
		{"n1]", "!"},
		{"n[]", "!"},
		{"n[3-1]", "!"},
		{"n[2-1]", "!"},
		{"n[a-b]", "!"},
		{"n[1-99999999]", "!"},
		{"n[1-300]m[1-300]", "!"},
		{"n[[1]]", "!"},
	}
	for _, test := range tests {
		names, err := Hosts(test.list)
		got := strings.Join(names, " ")
		if errors.Is(err, ErrConf) {
			got = "!"
		}
		if got != test.want || err != nil && test.want != "!" {
			t.Errorf("%s: %s %v, want %s", test.list, got, err, test.want)
		}
	}
}

func TestNodesOn(t *testing.T) {
	text := "NodeName=DEFAULT NodeHostname=h1 CPUs=1\n" +
		"NodeName=a[1-3] CPUs=8 State=UNKNOWN\n" +
		"nodename=b[1-3] nodehostname=\"h[1-3]\" Port=[1-3]\n" +
		"NodeName=c[1-2] NodeHostname=shared Port=1\n" +
		"NodeName=d1 NodeHostname=shared\n"
	bad := "NodeName=e[1-3] NodeHostname=bad[1-2]\n"
	tests := []struct{ text, host, want string }{
		{text, "a2", "a2"},
		{text, "h1", "b1"},
		{text, "h2", "b2"},
		{text, "b2", ""},
		{text, "shared", "c1 c2 d1"},
		{text, "nobody", ""},
		{bad, "bad1", "!"},
		{"NodeName=a[1 NodeHostname=h\n", "h", "!"},
		{"NodeName=a NodeHostname=h[\n", "h", "!"},
	}
	for _, test := range tests {
		c, err := read(files{"/etc/slurm/slurm.conf": test.text})
		if err != nil {
			t.Fatal(err)
		}
		names, err := c.NodesOn(test.host)
		got := strings.Join(names, " ")
		if errors.Is(err, ErrConf) && strings.HasPrefix(err.Error(), "/etc/slurm/slurm.conf:1: ") {
			got = "!"
		}
		if got != test.want || err != nil && test.want != "!" {
			t.Errorf("%s: %s %v, want %s", test.host, got, err, test.want)
		}
	}
}

func TestExpand(t *testing.T) {
	tests := []struct{ path, want string }{
		{"/var/spool/slurmd", "/var/spool/slurmd"},
		{"/spool/%n/%h/", "/spool/n_1.x/host"},
		{"/spool//%n%n", "/spool/n_1.xn_1.x"},
	}
	for _, test := range tests {
		if got := Expand(test.path, "n_1.x", "host"); got != test.want {
			t.Errorf("%s: %s, want %s", test.path, got, test.want)
		}
	}
	if got := ShortName("host.example.org"); got != "host" {
		t.Errorf("short name %s", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("ClusterName=x\nKillWait=3 # c\nInclude slurm.conf\nNodeName=n[1-3] NodeHostname=\"h[1-3]\" \\\n Port=1\n", "h2")
	f.Add("NodeName=a[1-2]b[001-002],c NodeHostname=x\n", "x")
	f.Fuzz(func(t *testing.T, text, host string) {
		c, err := read(files{"/etc/slurm/slurm.conf": text, "/etc/slurm/cgroup.conf": text})
		if err != nil {
			if c != nil || !errors.Is(err, ErrConf) && !gone(err) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		names, err := c.NodesOn(host)
		if err != nil && (names != nil || !errors.Is(err, ErrConf)) {
			t.Errorf("%q: %v", text, err)
		}
		if c.KillWait < 0 || strings.ContainsRune(c.SpoolDir, '\n') {
			t.Errorf("%q was read as %+v", text, c)
		}
	})
}
