package slurmd

import "strings"

// options is what slurmd's arguments say, as far as it matters here.
type options struct {
	node       string // -N
	conf       string // -f
	configless bool   // --conf-server: slurm.conf comes from slurmctld
	dynamic    bool   // -Z: the node has the host's name
	future     bool   // -F: slurmctld says which node this is
}

// withValue are the short options of slurmd that take a value; it may stand
// in the same word. F takes one only there (slurmd.c, _process_cmdline, all
// versions from 20.11 to 26.05 together).
const withValue = "dfLnN"

// longOptions are slurmd's long options and whether they take a value.
var longOptions = map[string]bool{
	"authinfo": true, "ca-cert-file": true, "conf": true, "conf-server": true, "extra": true,
	"instance-id": true, "instance-type": true, "parameters": true, "systemd": false, "version": false,
}

// parseArguments reads slurmd's arguments the way getopt_long(3) does.
func parseArguments(arguments []string) options {
	var o options
	for i := 1; i < len(arguments); i++ {
		word := arguments[i]
		switch {
		case word == "--":
			return o
		case strings.HasPrefix(word, "--"):
			name, _, valued := strings.Cut(word[2:], "=")
			name = longName(name)
			o.configless = o.configless || name == "conf-server"
			if longOptions[name] && !valued {
				i++
			}
		case len(word) > 1 && word[0] == '-':
			if o.short(word[1:], following(arguments, i)) {
				i++
			}
		}
	}
	return o
}

func following(arguments []string, i int) string {
	if i+1 < len(arguments) {
		return arguments[i+1]
	}
	return ""
}

// short reads the letters of one word and says whether it took the next word
// too.
func (o *options) short(letters, next string) bool {
	for i := range len(letters) {
		letter := letters[i]
		o.dynamic = o.dynamic || letter == 'Z'
		if letter == 'F' {
			o.future = true
			return false // what follows in this word is its value
		}
		if strings.IndexByte(withValue, letter) < 0 {
			continue
		}
		value, took := letters[i+1:], false
		if value == "" {
			value, took = next, true
		}
		switch letter {
		case 'N':
			o.node = value
		case 'f':
			o.conf = value
		}
		return took
	}
	return false
}

// longName completes the beginning of a long option if only one begins so.
func longName(text string) string {
	if _, ok := longOptions[text]; ok {
		return text
	}
	found := ""
	for name := range longOptions {
		if text == "" || !strings.HasPrefix(name, text) {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}
