package cgroup

import (
	"bytes"
	"strings"
)

// Mount is one mounted cgroup hierarchy.
type Mount struct {
	Path        string // where it is mounted
	Version     int    // 1 or 2
	Controllers string // version 1: the super block's options, "rw,freezer"
}

// ParseMounts reads the text of a mountinfo file. The fields are: id, parent,
// device, root, mount point, options, optional fields, "-", type, source,
// super options; blanks within a field are written in octal.
func ParseMounts(text []byte) []Mount {
	var mounts []Mount
	for line := range bytes.Lines(text) {
		before, after, ok := bytes.Cut(line, []byte(" - cgroup"))
		if !ok {
			continue
		}
		fields := bytes.Fields(before)
		tail := bytes.Fields(after)
		if len(fields) < 6 || len(fields[4]) == 0 || fields[4][0] != '/' {
			continue
		}
		mount := Mount{Path: unescape(string(fields[4])), Version: 1}
		// The cut took "cgroup" off the type: version 2 leaves its digit.
		if len(after) > 0 && after[0] == '2' {
			mount.Version = 2
		} else if len(tail) > 0 {
			mount.Controllers = string(tail[len(tail)-1])
		}
		mounts = append(mounts, mount)
	}
	return mounts
}

// unescape undoes mangle_path of the kernel (fs/seq_file.c): blank, tab,
// newline and backslash are three octal digits.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	replacer := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	return replacer.Replace(text)
}
